"""The rows of a manifest in JSONL, CSV, TSV or Parquet, one at a time, each with where it stands."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import TextIOWrapper
from typing import IO, Any

from songlens_batch.sources.addresses import shown
from songlens_batch.sources.item import shown_id
from songlens_shared.errors import DataError

PLACES = ("path", "url", "uri")
"""The columns that tell where a photo lies; the first that is not empty counts."""

ID = "id"

MOST_LINE_CHARACTERS = 16 << 20
"""More than any line needs; a file without line ends would fill the memory."""

_ROWS_AT_ONCE = 16384

Row = tuple[str, Mapping[str, Any]]
"""Where it stands, such as `photos.csv:7`, and its fields; only the columns above matter."""

Rows = Callable[[IO[bytes], str], Iterator[Row]]
"""Takes an open file and its address, and raises `DataError` for what cannot be read as its format."""


def json_rows(file: IO[bytes], address: str) -> Iterator[Row]:
    """Yield the objects of a JSON Lines file, one a line; blank lines are left out."""
    name = shown(address)
    for number, line in enumerate(iter(lambda: file.readline(MOST_LINE_CHARACTERS + 1), b""), 1):
        where = f"{name}:{number}"
        if len(line) > MOST_LINE_CHARACTERS:
            raise _endless(where)
        if not line.isspace():
            yield where, _json_object(line, where)


def _json_object(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: the line is not UTF-8; save the manifest as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f'{where}: the line is not JSON; write one object a line, like {{"path": "a.jpg"}}.') from error
    if not isinstance(value, dict):
        raise DataError(f'{where}: the line is not an object; write it like {{"path": "a.jpg"}}.')
    return value


def table_rows(file: IO[bytes], address: str, *, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a CSV or TSV file whose first line names the columns; blank lines are left out."""
    with TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(_lines(text, address), strict=True, delimiter=delimiter)
        cells = _cells(reader, address)
        _, header = next(cells, ("", []))
        columns = [name.strip() for name in header]
        wanted = [(columns.index(name), name) for name in (*PLACES, ID) if name in columns]
        _check_columns(columns, address, "its first line")
        for where, row in cells:
            if len(row) != len(columns):
                raise DataError(
                    f"{where}: the row has {len(row)} cells and the header {len(columns)}; "
                    "put quotation marks around cells that hold the delimiter."
                )
            yield where, {name: row[index] for index, name in wanted}


def _cells(reader: Any, address: str) -> Iterator[tuple[str, list[str]]]:
    name = shown(address)
    while True:
        where = f"{name}:{reader.line_num + 1}"  # a quoted cell may hold line ends
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{where}: the line cannot be read as CSV ({error}); mend it.") from error
        if row is None:
            return
        if row:
            yield where, row


def _lines(text: TextIOWrapper, address: str) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: text.readline(MOST_LINE_CHARACTERS + 1), ""), 1):
        if len(line) > MOST_LINE_CHARACTERS:
            raise _endless(f"{shown(address)}:{number}")
        yield line


def parquet_rows(file: IO[bytes], address: str) -> Iterator[Row]:
    """Yield the rows of a Parquet file; no other columns are read."""
    import pyarrow
    import pyarrow.parquet

    name, number = shown(address), 0
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            columns = table.schema_arrow.names
            _check_columns(columns, address, "its schema")
            wanted = [name for name in (*PLACES, ID) if name in columns]
            for batch in table.iter_batches(_ROWS_AT_ONCE, columns=wanted):
                for fields in batch.to_pylist():
                    number += 1
                    yield f"{name}, row {number}", fields
    except (pyarrow.ArrowException, OSError) as error:
        after = f" after row {number}" if number else ""
        raise DataError(
            f"{name} cannot be read as Parquet{after} ({shown_id(str(error))}); write or copy it again."
        ) from error


def _check_columns(columns: list[str], address: str, where: str) -> None:
    if not any(name in columns for name in PLACES):
        has = shown_id(", ".join(columns)) or "nothing"
        raise DataError(f"{shown(address)} has no column path, url or uri; {where} names {has}. Name one of them so.")


def _endless(where: str) -> DataError:
    return DataError(f"{where}: the line has more than {MOST_LINE_CHARACTERS} characters; write one photo a line.")


ROWS: Mapping[str, Rows] = {
    ".jsonl": json_rows,
    ".ndjson": json_rows,
    ".csv": partial(table_rows, delimiter=","),
    ".tsv": partial(table_rows, delimiter="\t"),
    ".parquet": parquet_rows,
}
"""By the end of the file's name."""
