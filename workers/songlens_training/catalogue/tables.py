"""Rows of JSONL, CSV, TSV and Parquet files, one at a time, and the log of rows that were refused.

A bad row never ends a run: it is counted, named by its line and a reason, and written to the rejects file.
"""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, Self, TypeVar

from songlens_shared.errors import DataError

PARQUET_BATCH_ROWS = 4096
_GB18030 = "gb18030"
_TELLING_CHARACTERS = 6
"""So many characters beyond ASCII are not valid UTF-8 by chance."""


class RowRefused(ValueError):
    """A row cannot be used; the message is the reason. Never leaves the readers of this package."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: its fields (absent ones left out), or the `problem` that kept it from being read."""

    line: int | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    raw: Any = None


@dataclass(frozen=True, kw_only=True)
class RowSummary:
    """How many rows of one source were taken, how many were refused for which reason, and remarks."""

    source: str
    accepted: int
    refused: Mapping[str, int]
    first_lines: Mapping[str, int | None] = field(default_factory=dict)
    """Reason -> line of the first row that was refused for it; None where the source has no lines."""
    notes: tuple[str, ...] = ()

    @property
    def refused_rows(self) -> int:
        return sum(self.refused.values())


class RejectLog:
    """Counts the rows of each source and writes the refused ones to a JSONL file. Use it in a `with`.

    The file is made when the first row is refused. Each line is an object with `source`, `line` (counted
    from 1; null for a file found in a folder), `reason` and `row`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._accepted: Counter[str] = Counter()
        self._refused: dict[str, Counter[str]] = {}
        self._first_lines: dict[str, dict[str, int | None]] = {}
        self._notes: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def accept(self, source: str) -> None:
        """Count one good row."""
        self._accepted[source] += 1

    def refuse(self, source: str, row: Row, reason: str) -> None:
        """Count one bad row under `reason` and write it down."""
        self._refused.setdefault(source, Counter())[reason] += 1
        self._first_lines.setdefault(source, {}).setdefault(reason, row.line)
        if self.path is None:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Half of a surrogate pair cannot be written as UTF-8, but it must still be shown.
            self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
        shown = row.fields if row.raw is None else row.raw
        entry = {"source": source, "line": row.line, "reason": reason, "row": shown}
        self._file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")

    def withdraw(self, source: str, row: Row, reason: str) -> None:
        """Refuse a row that was counted as good before it was known to be of no use."""
        self._accepted[source] -= 1
        self.refuse(source, row, reason)

    def note(self, source: str, remark: str) -> None:
        """Keep a remark about the whole of `source` for its summary."""
        self._notes.setdefault(source, []).append(remark)

    def summary(self, source: str) -> RowSummary:
        """Return the counts of `source`, the commonest reason first."""
        return RowSummary(
            source=source,
            accepted=self._accepted[source],
            refused=dict(self._refused.get(source, Counter()).most_common()),
            first_lines=dict(self._first_lines.get(source, {})),
            notes=tuple(self._notes.get(source, ())),
        )


class Identified(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
Record = TypeVar("Record", bound=Identified)


def checked_records(
    source: str,
    rows: Iterator[Row],
    parse: Callable[[Row], Record],
    rejects: RejectLog,
    *,
    held: Collection[str] = frozenset(),
) -> Iterator[Record]:
    """Yield what `parse` makes of the good rows, each id once; refuse the others into `rejects`.

    `parse` raises `RowRefused` for a bad row. Ids in `held` are refused: a model version holds them already. Raises
    `DataError` at the end when no row was good.
    """
    seen: set[str] = set()

    def parse_once(row: Row) -> Record:
        record = parse(row)
        if record.id in held:
            raise RowRefused("the model version holds this id already")
        if record.id in seen:
            raise RowRefused("duplicate id")
        seen.add(record.id)
        return record

    return checked_rows(source, rows, parse_once, rejects)


def checked_rows(source: str, rows: Iterator[Row], parse: Callable[[Row], T], rejects: RejectLog) -> Iterator[T]:
    """Yield what `parse` makes of the good rows; refuse the others into `rejects`.

    `parse` raises `RowRefused` for a bad row. Raises `DataError` at the end when no row was good.
    """
    any_good = False
    for row in rows:
        try:
            if row.problem is not None:
                raise RowRefused(row.problem)
            parsed = parse(row)
        except RowRefused as refusal:
            rejects.refuse(source, row, str(refusal))
            continue
        any_good = True
        rejects.accept(source)
        yield parsed
    if not any_good:
        raise DataError(f"{source} has no usable row: {_reasons(rejects.summary(source)) or 'it is empty'}.")


def _reasons(summary: RowSummary) -> str:
    """Return how many rows were refused for which reason, and the first line of each."""
    lines = {reason: "" if line is None else f", first in line {line}" for reason, line in summary.first_lines.items()}
    return "; ".join(f"{reason} ({count}{lines[reason]})" for reason, count in summary.refused.items())


def text_field(row: Row, name: str) -> str:
    """Return the text of a required field, stripped. Raises `RowRefused`."""
    value = row.fields.get(name)
    if value is None:
        raise RowRefused(f"missing {name}")
    text = checked_text(value, name)
    if not text:
        raise RowRefused(f"empty {name}")
    return text


def id_field(row: Row, name: str) -> str:
    """Return a required id: text, stripped, or a whole number. Raises `RowRefused`."""
    value = row.fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_field(row, name)


def checked_text(value: Any, name: str) -> str:
    """Return `value` stripped when it is text that UTF-8 can hold. Raises `RowRefused`."""
    if not isinstance(value, str):
        raise RowRefused(f"{name} is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RowRefused(f"invalid UTF-8 in {name}") from None
    return value.strip()


def finite_number(value: Any) -> float | None:
    """Return `value` (a number, or its decimal text as in CSV) as a float; None when it is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_rows(path: Path, rejects: RejectLog) -> Iterator[Row]:
    """Yield the rows of a .jsonl, .csv, .tsv or .parquet file; the file is streamed, never held.

    Raises `DataError` when the file is absent, is of another kind, or cannot be read as a whole.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is neither .jsonl, .csv nor .parquet; convert it to one of these.")
    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file.")
    try:
        yield from reader(path, rejects)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _json_rows(path: Path, _: RejectLog) -> Iterator[Row]:
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            text = raw.strip()
            if text:
                yield _json_row(line, text)


def _json_row(line: int, raw: bytes) -> Row:
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Row(line=line, problem="invalid UTF-8", raw=raw.decode("utf-8", "backslashreplace"))
    except (ValueError, RecursionError):
        return Row(line=line, problem="unreadable JSON", raw=raw.decode("utf-8"))
    if not isinstance(value, dict):
        return Row(line=line, problem="not a JSON object", raw=value)
    return Row(line=line, fields=value)


def _csv_rows(path: Path, rejects: RejectLog) -> Iterator[Row]:
    encoding = csv_encoding(path)
    if encoding != "utf-8-sig":
        rejects.note(str(path), f"read as {encoding.upper()}, for it is not UTF-8")
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        header: list[str] | None = None
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line=line, problem=f"unreadable CSV: {error}")
                continue
            if header is None:
                header = [name.strip() for name in cells]
            elif cells:
                yield _csv_row(line, header, cells, encoding)


def _csv_row(line: int, header: list[str], cells: list[str], encoding: str) -> Row:
    if len(cells) != len(header):
        return Row(line=line, problem="not as many cells as the header", raw=cells)
    if encoding == _GB18030 and (problem := _gb18030_problem("".join(cells))):
        return Row(line=line, problem=problem, raw=cells)
    # An empty cell is how CSV writes an absent value.
    return Row(line=line, fields={name: cell for name, cell in zip(header, cells, strict=True) if cell})


def _gb18030_problem(text: str) -> str | None:
    """Return why `text`, a row decoded as GB18030, is not what was written; None where nothing speaks against it.

    GB18030 makes other Chinese of UTF-8 and mostly finds nothing wrong. Short words may be valid in both by chance
    (联通 is known for it), whole rows are not.
    """
    raw = text.encode(_GB18030, "surrogateescape")
    damaged = raw.decode(_GB18030, "replace") != text
    try:
        meant = raw.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid GB18030" if damaged else None
    telling = sum(not character.isascii() for character in meant)
    return "UTF-8 in a file of GB18030" if telling >= _TELLING_CHARACTERS or (damaged and telling) else None


def csv_encoding(path: Path) -> str:
    """Return `utf-8-sig`, or `gb18030` when most lines beyond ASCII are not UTF-8 (spreadsheets in China).

    GB18030 decodes nearly any bytes, so one damaged line must not turn a whole UTF-8 file into nonsense.
    """
    valid = damaged = 0
    with path.open("rb") as file:
        for raw in file:
            if raw.isascii():
                continue
            try:
                raw.decode("utf-8")
                valid += 1
            except UnicodeDecodeError:
                damaged += 1
    return _GB18030 if damaged > valid else "utf-8-sig"


def _parquet_rows(path: Path, _: RejectLog) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    line = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(PARQUET_BATCH_ROWS):
                for fields in batch.to_pylist():
                    line += 1
                    present = {name: value for name, value in fields.items() if value is not None}
                    yield Row(line=line, fields=present)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


READERS: Mapping[str, Callable[[Path, RejectLog], Iterator[Row]]] = {
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".parquet": _parquet_rows,
}
