"""A shard's rows on their way into Parquet: a row group at a time, so that memory does not grow with the shard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import pyarrow as pa

from songlens_batch.parquet import parquet_writer
from songlens_batch.scoring.rows import SCHEMA, Row

_GROUP_ROWS = 1000


class ShardFile:
    """Writes rows in the order in which they are added."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered."""
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._writer.schema))
            self._rows = []


@contextmanager
def shard_file(file: IO[bytes], *, batch: str, shard: int) -> Iterator[ShardFile]:
    """Give a shard's file to write; it is whole at the end, and says in its metadata whose it is."""
    told = {b"songlens.batch": batch.encode(), b"songlens.shard": str(shard).encode()}
    with parquet_writer(file, SCHEMA.with_metadata(told)) as writer:
        rows = ShardFile(writer)
        yield rows
        rows.flush()
