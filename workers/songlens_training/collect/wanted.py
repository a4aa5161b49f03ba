"""Which keywords images are wanted for, and what to ask a search engine for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from songlens_shared.errors import DataError
from songlens_training.catalogue.tables import READERS, RejectLog, Row, RowRefused, read_rows, text_field

KEYWORD_COLUMN = "keyword"
QUERY_COLUMN = "query"

Queries = Mapping[str, tuple[str, ...]]
"""Keyword -> what is searched for it, in this order."""


def read_keywords(path: Path, rejects: RejectLog) -> list[str]:
    """Return the keywords of a file, each once, in its order.

    A text file (.txt) has one keyword a line; a table (.jsonl, .csv, .tsv, .parquet) has a column `keyword`. Raises
    `DataError` when the file cannot be read or names no keyword.
    """
    if path.suffix.lower() not in READERS:
        found = [line.strip() for line in _text(path).splitlines() if line.strip()]
    else:
        found = [keyword for (keyword,) in _columns(path, rejects, KEYWORD_COLUMN)]
    if not found:
        raise DataError(f"{path} names no keyword.")
    return list(dict.fromkeys(found))


def read_queries(path: Path, rejects: RejectLog) -> Queries:
    """Return the translations of a table (.jsonl, .csv, .tsv, .parquet) with the columns `keyword` and `query`.

    A keyword may stand in several rows: its queries are searched one after the other. Raises `DataError` when the
    table cannot be read, lacks a column or has no usable row.
    """
    queries: dict[str, tuple[str, ...]] = {}
    for keyword, query in _columns(path, rejects, KEYWORD_COLUMN, QUERY_COLUMN):
        known = queries.get(keyword, ())
        queries[keyword] = known if query in known else (*known, query)
    if not queries:
        raise DataError(f"{path} has no row with a keyword and a query.")
    return queries


def _columns(path: Path, rejects: RejectLog, *names: str) -> Iterator[tuple[str, ...]]:
    seen: dict[str, None] = {}
    usable = 0
    for row in read_rows(path, rejects):
        seen.update(dict.fromkeys(row.fields))
        try:
            values = _values(row, names)
        except RowRefused as refusal:
            rejects.refuse(str(path), row, str(refusal))
            continue
        usable += 1
        rejects.accept(str(path))
        yield values
    missing = [name for name in names if name not in seen]
    if not usable and seen and missing:
        needed = " and ".join(f"`{name}`" for name in names)
        raise DataError(f"{path} has the columns {', '.join(seen)}; {needed} must be among them.")


def _values(row: Row, names: tuple[str, ...]) -> tuple[str, ...]:
    if row.problem is not None:
        raise RowRefused(row.problem)
    return tuple(text_field(row, name) for name in names)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8, one keyword a line.") from None
