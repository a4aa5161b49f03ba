"""`songlens model keywords`: the keywords that a build would find, to tune lists and limits by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from songlens_training.commands.options.catalogue import Songs
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.options.keywords import KeywordFlags
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.rows import print_rows

_CONTEXT = 5
"""Characters on either side of the word in an example on the screen."""


@grouped
def keywords(
    songs: Songs,
    words: KeywordFlags,
    images: Annotated[
        Path | None,
        typer.Option(help="Images: a folder per keyword, or a manifest; without them, nouns can become keywords."),
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Processes; without it, one a processor.", min=1)] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="JSONL file for refused rows, each with line and reason.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report to a .md, .json or .csv file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Show the keywords that a build would find, with counts and examples, without building."""
    from songlens_training.catalogue.images import read_images
    from songlens_training.catalogue.songs import read_songs
    from songlens_training.catalogue.tables import RejectLog
    from songlens_training.keywords.report import check_report_path, keyword_report, write_report
    from songlens_training.keywords.selection import find_keywords
    from songlens_training.progress import step

    if out is not None:
        check_report_path(out)
    options = words.options()
    console = Console()
    # JSON has standard output to itself.
    with progress_bars(Console(stderr=True) if as_json else console) as progress, RejectLog(rejects) as log:
        read = list(read_songs(songs, log))
        pictures = None if images is None else list(read_images(images, log))
        table = find_keywords(
            read, pictures, options, processes=processes, progress=step(progress, "Segmenting lyrics")
        )
        summaries = [log.summary(str(path)) for path in (songs, images) if path is not None]
    report = keyword_report(table)
    if out is not None:
        write_report(report, out)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
        return
    print_rows(console, summaries, rejects)
    print_report(console, report)


def print_report(console: Console, report: Mapping[str, Any]) -> None:
    """Print a keyword report: what is a keyword, and, with an example each, what nearly is."""
    rows = report["keywords"]
    console.print(_table(f"{len(rows)} keywords", rows, examples=3))
    for reason, missed in _by_reason(report["near_misses"]).items():
        console.print(_table(f"No keywords: {reason}", missed, examples=1))
    if report["words_without_songs"]:
        console.print(f"No song holds: {escape(', '.join(report['words_without_songs']))}", highlight=False)
    console.print(
        f"{report['songs_without_keyword']} of {report['songs']} songs and {report['images_without_keyword']} images "
        "are without a keyword and take no part",
        highlight=False,
    )


def _by_reason(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    reasons: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        reasons.setdefault(row["reason"], []).append(row)
    return reasons


def _table(title: str, rows: Sequence[Mapping[str, Any]], *, examples: int) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("keyword", no_wrap=True)
    for name in ("songs", "share", "occurrences", "images", "idf"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("examples")
    for row in rows:
        shown = [
            f"{_excerpt(example['line'], row['keyword'])} ({example['title']})"
            for example in row["examples"][:examples]
        ]
        counts = (row["songs"], f"{row['song_share']:.1%}", row["occurrences"], row["images"], f"{row['idf']:.2f}")
        # The examples give way where the screen is narrow.
        table.add_row(
            escape(row["keyword"]), *map(str, counts), Text("\n".join(shown), no_wrap=True, overflow="ellipsis")
        )
    return table


def _excerpt(line: str, word: str) -> str:
    """Return the part of a line that shows the word, if it stands there as it is spelled."""
    start = max(0, line.find(word) - _CONTEXT)
    stop = start + len(word) + 2 * _CONTEXT
    return ("…" if start else "") + line[start:stop] + ("…" if stop < len(line) else "")
