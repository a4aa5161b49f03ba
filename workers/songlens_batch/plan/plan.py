"""The plan: one Parquet file with a row for each photo and a row group for each shard, so that each is read alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from songlens_batch.errors import NothingPlanned
from songlens_batch.folder import PLAN, BatchFolder
from songlens_batch.parquet import parquet_writer
from songlens_batch.sources.item import SourceItem

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("offset", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("stamp", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class PlannedShards:
    """How much there is to do."""

    shards: int
    images: int


class PlanFile:
    """Writes a plan, a shard at a time."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add(self, items: list[SourceItem]) -> None:
        """Append the next shard."""
        columns = [[getattr(item, name) for item in items] for name in SCHEMA.names]
        table = pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA)
        self._writer.write_table(table, row_group_size=max(1, len(items)))


@contextmanager
def plan_file(file: IO[bytes]) -> Iterator[PlanFile]:
    """Give a plan to write; it is whole at the end."""
    with parquet_writer(file, SCHEMA) as writer:
        yield PlanFile(writer)


@contextmanager
def _opened(folder: BatchFolder) -> Iterator[Any]:
    if not folder.exists(PLAN):
        raise NothingPlanned(f"{folder} holds no plan yet; `songlens batch resume {folder}` makes it.")
    with folder.reading(PLAN) as file:
        try:
            yield pq.ParquetFile(file)
        except pa.ArrowInvalid as error:
            raise NothingPlanned(
                f"the plan in {folder} is damaged ({error}); remove the folder and submit the batch again."
            ) from None


def shard_images(shard: int, planned: PlannedShards, shard_size: int) -> int:
    """Return how many photos a shard has: every shard is full, but perhaps the last."""
    return min(shard_size, planned.images - shard * shard_size)


def planned(folder: BatchFolder) -> PlannedShards | None:
    """Return how much was planned, or None before the plan is whole."""
    if not folder.exists(PLAN):
        return None
    with _opened(folder) as plan:
        return PlannedShards(shards=plan.metadata.num_row_groups, images=plan.metadata.num_rows)


@dataclass(frozen=True)
class PlannedShard:
    """One shard's photos, and the number of the first among those of the batch."""

    first_row: int
    items: list[SourceItem]


def read_shard(folder: BatchFolder, shard: int) -> PlannedShard:
    """Return one shard; raises `NothingPlanned` where there is none."""
    with _opened(folder) as plan:
        groups = plan.metadata.num_row_groups
        if not 0 <= shard < groups:
            raise NothingPlanned(f"{folder} has {groups} shards; there is no shard {shard}.")
        first_row = sum(plan.metadata.row_group(number).num_rows for number in range(shard))
        rows = plan.read_row_group(shard).to_pylist()
    return PlannedShard(first_row=first_row, items=[SourceItem(**row) for row in rows])
