"""The keyword report: each keyword with counts and examples, and what nearly became one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from songlens_shared.errors import ConfigError
from songlens_training.keywords.table import Keyword, KeywordTable, inverse_document_frequency

KEPT = "keyword"
"""What the CSV report says of words that are keywords; of others it says why not."""


def keyword_report(table: KeywordTable) -> dict[str, Any]:
    """Return the report as JSON has it.

    `keywords` and `near_misses` are rows of keyword, songs, song_share (0 to 1), occurrences, images, idf and examples
    (song, title, line); near misses have a reason too.
    """
    songs = table.songs_in_all
    return {
        "songs": songs,
        "songs_without_keyword": table.songs_without_keyword,
        "images_without_keyword": table.images_without_keyword,
        "keywords": [_row(keyword, songs) for keyword in table.keywords],
        "near_misses": [{**_row(word, songs), "reason": reason.value} for word, reason in table.near_misses],
        "keywords_without_images": list(table.keywords_without_images),
        "words_without_songs": list(table.words_without_songs),
    }


def _row(keyword: Keyword, songs: int) -> dict[str, Any]:
    return {
        "keyword": keyword.word,
        "songs": keyword.songs,
        "song_share": round(keyword.songs / songs, 6),
        "occurrences": keyword.occurrences,
        "images": keyword.images,
        "idf": round(inverse_document_frequency(keyword.songs, songs), 6),
        "examples": [example._asdict() for example in keyword.examples],
    }


def check_report_path(path: Path) -> None:
    """Raise `ConfigError` for a file whose name ends in none of the formats of `write_report`."""
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(f"{path} ends in none of {', '.join(_FORMATS)}.")


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write a report as Markdown, JSON or CSV, as the name of the file says.

    Raises `ConfigError` for another ending, and where the file cannot be written.
    """
    check_report_path(path)
    text = _FORMATS[path.suffix.lower()](report)
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from error


def _json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def _csv(report: Mapping[str, Any]) -> str:
    file = io.StringIO()
    file.write("\ufeff")  # without it, spreadsheets take UTF-8 for something else
    writer = csv.writer(file)
    writer.writerow(["keyword", "status", "songs", "song_share", "occurrences", "images", "idf", "examples"])
    for row in (*report["keywords"], *report["near_misses"]):
        counts = [row[name] for name in ("songs", "song_share", "occurrences", "images", "idf")]
        writer.writerow([row["keyword"], row.get("reason", KEPT), *counts, "\n".join(_examples(row))])
    return file.getvalue()


def _markdown(report: Mapping[str, Any]) -> str:
    parts = [
        "# Keywords\n",
        f"{report['songs']} songs, {report['songs_without_keyword']} of them without a keyword; "
        f"{report['images_without_keyword']} images without a keyword.\n",
        _markdown_table(report["keywords"]),
    ]
    for reason in dict.fromkeys(row["reason"] for row in report["near_misses"]):
        rows = [row for row in report["near_misses"] if row["reason"] == reason]
        parts += [f"## No keywords: {reason}\n", _markdown_table(rows)]
    if report["words_without_songs"]:
        parts += ["## No song holds them\n", _cell(", ".join(report["words_without_songs"])) + "\n"]
    return "\n".join(parts)


def _markdown_table(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = [
        "| keyword | songs | share | occurrences | images | idf | examples |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        counts = (row["songs"], f"{row['song_share']:.1%}", row["occurrences"], row["images"], f"{row['idf']:.2f}")
        cells = (_cell(row["keyword"]), *counts, "<br>".join(map(_cell, _examples(row))))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _examples(row: Mapping[str, Any]) -> list[str]:
    return [f"{example['line']} ({example['title']})" for example in row["examples"]]


_FORMATS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {".md": _markdown, ".json": _json, ".csv": _csv}
