"""Catalogue images: what one is, and how they are read from a folder per keyword or from a manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from songlens_shared.errors import DataError
from songlens_training.catalogue.tables import (
    RejectLog,
    Row,
    RowRefused,
    checked_records,
    checked_text,
    finite_number,
    read_rows,
    text_field,
)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueImage:
    """One catalogue image and the keywords it bears, each with its relevance > 0 to the image."""

    id: str
    path: Path
    keywords: Mapping[str, float]
    licence: str = ""
    attribution: str = ""
    source: str = ""


def read_images(path: Path, rejects: RejectLog, *, held: Collection[str] = frozenset()) -> Iterator[CatalogueImage]:
    """Yield the good images of a folder per keyword, or of a .jsonl, .csv or .parquet manifest.

    In a folder, each subfolder's name is the keyword (weight 1) of the image files below it, and the id is
    the path within the folder. A manifest has the columns `path` (relative to the manifest, or absolute),
    `keywords` (list, or mapping to weights > 0; in CSV `雪|月:0.5`), and optionally `id` (default: the
    path), `licence`, `attribution` and `source`. Image files must exist; they are not opened here.
    Counts are at `rejects.summary(str(path))` afterwards.
    Images whose ids are in `held` are refused. Raises `DataError` when nothing can be read or no image is good.
    """
    folder = folder_of(path)
    return checked_records(str(path), image_rows(path, rejects), lambda row: _image(row, folder), rejects, held=held)


def image_rows(path: Path, rejects: RejectLog) -> Iterator[Row]:
    """Yield a row for each file in a folder per keyword, with `path` and `keywords`, or those of a manifest."""
    return _folder_rows(path) if path.is_dir() else read_rows(path, rejects)


def folder_of(path: Path) -> Path:
    """Return the folder that the paths in the rows are relative to."""
    return path if path.is_dir() else path.parent


def _folder_rows(folder: Path) -> Iterator[Row]:
    try:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in relative.parts)
            if not hidden and not path.is_dir():
                yield _folder_row(relative)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}.") from error


def _folder_row(relative: Path) -> Row:
    fields: dict[str, Any] = {"path": relative.as_posix()}
    if relative.suffix.lower() not in IMAGE_SUFFIXES:
        return Row(line=None, fields=fields, problem="not an image file")
    if len(relative.parts) > 1:
        fields["keywords"] = [relative.parts[0]]
    return Row(line=None, fields=fields)


def _image(row: Row, folder: Path) -> CatalogueImage:
    name = text_field(row, "path")
    keywords = checked_keywords(row)
    return CatalogueImage(
        id=text_field(row, "id") if "id" in row.fields else name,
        path=checked_file(folder / name),
        keywords=keywords,
        licence=checked_text(row.fields.get("licence") or "", "licence"),
        attribution=checked_text(row.fields.get("attribution") or "", "attribution"),
        source=checked_text(row.fields.get("source") or "", "source"),
    )


def checked_file(path: Path) -> Path:
    """Return the path of a file that is there and not empty. Raises `RowRefused`."""
    if not path.is_file():
        raise RowRefused("image file missing")
    if path.stat().st_size == 0:
        raise RowRefused("image file empty")
    return path


def checked_keywords(row: Row) -> dict[str, float]:
    """Return keyword -> weight of a list, a mapping, pairs (Parquet maps) or the CSV form. Raises `RowRefused`."""
    keywords: dict[str, float] = {}
    for word, weight in _pairs(row.fields.get("keywords")):
        text = checked_text(word, "keyword")
        number = finite_number(weight)
        if number is None or number <= 0:
            raise RowRefused("keyword weight is not a number > 0")
        if text:
            keywords[text] = number
    if not keywords:
        raise RowRefused("image without keyword")
    return keywords


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    if value is None:
        return
    if isinstance(value, str):
        value = [_csv_keyword(part) for part in value.split("|")]
    elif isinstance(value, Mapping):
        # A Parquet struct shows the words of other rows as None.
        value = [pair for pair in value.items() if pair[1] is not None]
    if not isinstance(value, list):
        raise RowRefused("keywords are neither a list nor a mapping")
    for item in value:
        yield item if isinstance(item, tuple) else (item, 1.0)


def _csv_keyword(part: str) -> tuple[str, Any]:
    word, colon, weight = part.rpartition(":")
    return (word, weight) if colon else (part, 1.0)
