"""`songlens data collect`: images for keywords, from folders, manifests and Openverse."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens_shared.address import home
from songlens_shared.errors import DataError
from songlens_training.commands.options.collecting import ImageFlags, OpenverseFlags, WebFlags
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.progress import progress_bars

if TYPE_CHECKING:
    from songlens_training.catalogue.tables import RowSummary
    from songlens_training.collect.options import CollectOptions
    from songlens_training.collect.report import Report
    from songlens_training.collect.sources import Candidate

_REASONS_SHOWN = 3


@grouped
def collect(
    pictures: ImageFlags,
    openverse: OpenverseFlags,
    web: WebFlags,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="openverse, a folder per keyword, or a manifest of paths or URLs; repeat it, the first is asked first."
        ),
    ] = None,
    keyword: Annotated[list[str] | None, typer.Option(help="A keyword; repeat it for more.")] = None,
    keywords: Annotated[
        Path | None, typer.Option(help="File of keywords: .txt, one a line, or a table with a column `keyword`.")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="Table of what to search for a keyword: columns `keyword` and `query` (.csv, .tsv, .jsonl)."),
    ] = None,
    per_keyword: Annotated[int, typer.Option(help="Images wanted for each keyword.", min=1)] = 100,
    out: Annotated[Path | None, typer.Option(help="Folder of the catalogue; by default one in SONGLENS_HOME.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be fetched; write nothing.")] = False,
) -> None:
    """Collect images for keywords, with licence and attribution; the same command goes on after an interruption.

    Hosts are asked slowly, and only for what their robots.txt lets programs have. Files that are no images, damaged or
    too small are refused; images that show the same become one.
    """
    from songlens_training.collect.collect import collect as collect_images
    from songlens_training.collect.collect import preview
    from songlens_training.collect.licences import checked_licences
    from songlens_training.collect.options import CollectOptions

    console = Console()
    translations, words = _wanted(console, keyword or [], keywords, queries)
    options = CollectOptions(
        sources=tuple(source or ["openverse"]),
        keywords=words,
        per_keyword=per_keyword,
        queries=translations,
        licences=checked_licences(pictures.licences.split(",")),
        near_duplicate_bits=None if pictures.near_duplicates < 0 else pictures.near_duplicates,
        checks=pictures.checks(),
        openverse=openverse.options(),
        web=web.options(),
    )
    if dry_run:
        _show_preview(console, asyncio.run(preview(options)))
        return
    folder = out or home() / "catalogues" / "collected"
    with progress_bars(console) as progress:
        report = asyncio.run(collect_images(folder, options, progress))
    _show(console, folder, report, options)


def _wanted(
    console: Console, words: list[str], file: Path | None, table: Path | None
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the queries, and the keywords of the options; where those name none, the keywords of the table."""
    from songlens_training.catalogue.tables import RejectLog
    from songlens_training.collect.wanted import read_keywords, read_queries

    with RejectLog() as rejects:
        queries = dict(read_queries(table, rejects)) if table else {}
        named = [word.strip() for word in words]
        if not all(named):
            raise DataError("A keyword is empty.")
        named += read_keywords(file, rejects) if file else []
        for path in filter(None, (table, file)):
            _show_refused(console, rejects.summary(str(path)))
    return queries, tuple(dict.fromkeys(named or queries))


def _show_preview(console: Console, found: dict[str, list[Candidate]]) -> None:
    for keyword, candidates in found.items():
        console.print(f"[bold]{escape(keyword)}[/]: {len(candidates)} candidates", highlight=False)
        for candidate in candidates:
            line = f"    {candidate.place}  ({candidate.licence or 'licence unknown'}, {candidate.source})"
            console.print(escape(line), highlight=False, soft_wrap=True)


def _show(console: Console, folder: Path, report: Report, options: CollectOptions) -> None:
    table = Table("keyword", "searched", "wanted", "images", "refused")
    for keyword, about in report.keywords.items():
        searched = "" if "openverse" not in options.sources else " | ".join(options.queries.get(keyword, (keyword,)))
        table.add_row(
            escape(keyword), escape(searched), str(about.wanted), str(about.images), escape(_reasons(about.refused))
        )
    console.print(table)
    for source in report.sources:
        _show_refused(console, source)
    if report.untranslated:
        words = "、".join(report.untranslated)
        console.print(f"Searched as they are, without translation: {escape(words)}", highlight=False)
    console.print(
        f"{escape(str(folder))}: {report.images} images; merged {report.merged_same} of the same content and "
        f"{report.merged_near} near duplicates",
        highlight=False,
        soft_wrap=True,
    )
    if report.passing:
        console.print(f"{report.passing} failed for now; the same command tries them again.", highlight=False)


def _show_refused(console: Console, rows: RowSummary) -> None:
    if rows.refused:
        told = f"{rows.source}: refused {_reasons(rows.refused)}"
        console.print(escape(told), highlight=False, soft_wrap=True)


def _reasons(refused: Mapping[str, int]) -> str:
    shown = [f"{count} x {reason}" for reason, count in list(refused.items())[:_REASONS_SHOWN]]
    rest = sum(list(refused.values())[_REASONS_SHOWN:])
    return ", ".join(shown + ([f"{rest} x other"] if rest else []))
