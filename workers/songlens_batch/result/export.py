"""A batch's rows in other formats: JSON lines, CSV with a line for each song, or the summary."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import pyarrow.parquet as pq

from songlens_batch.errors import BatchError, OutputUnusable
from songlens_batch.folder import SUMMARY, BatchFolder

_AT_ONCE = 1000
_CSV = ("id", "path", "status", "error_code", "error_message", "model", "rank")
_CSV_SONG = ("id", "title", "artist", "score", "distance", "image", "keyword", "line")


class Format(StrEnum):
    """What to write."""

    JSONL = "jsonl"
    CSV = "csv"
    SUMMARY = "summary"


def export_rows(folder: BatchFolder, format: Format, to: Path | None) -> None:
    """Write what a batch has so far, to standard output where no file is given.

    Raises `BatchError` where there is nothing yet, `OutputUnusable` where the file cannot be written.
    """
    write = {Format.JSONL: _jsonl, Format.CSV: _csv, Format.SUMMARY: _summary}[format]
    if to is None:
        write(folder, sys.stdout)
        return
    with _whole(to) as file:
        write(folder, file)


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise OutputUnusable(f"{path} cannot be written to: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def rows(folder: BatchFolder) -> Iterator[dict[str, Any]]:
    """Yield every row that is there, in the order of the batch; memory for a thousand."""
    finished = folder.finished()
    if not finished:
        raise BatchError(f"no shard of {folder} is done yet.")
    for _, name in sorted(finished.items()):
        with folder.reading(name) as file:
            for batch in pq.ParquetFile(file).iter_batches(_AT_ONCE):
                yield from batch.to_pylist()


def _jsonl(folder: BatchFolder, file: IO[str]) -> None:
    for row in rows(folder):
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _csv(folder: BatchFolder, file: IO[str]) -> None:
    writer = csv.writer(file)
    writer.writerow([*_CSV, *(f"song_{name}" for name in _CSV_SONG)])
    for row in rows(folder):
        error = row["error"] or {"code": "", "message": ""}
        head = [row["id"], row["path"], row["status"], error["code"], error["message"], row["model"] or ""]
        if not row["songs"]:
            writer.writerow([*head, "", *("" for _ in _CSV_SONG)])
        for rank, song in enumerate(row["songs"], 1):
            writer.writerow([*head, rank, *(song[name] for name in _CSV_SONG)])


def _summary(folder: BatchFolder, file: IO[str]) -> None:
    if not folder.exists(SUMMARY):
        raise BatchError(f"{folder} has no summary yet: the batch is not done.")
    file.write(folder.read(SUMMARY).decode())
