"""Parquet writers that are always closed: one that is left to the garbage collector writes to a file that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def parquet_writer(file: IO[bytes], schema: pa.Schema) -> Iterator[Any]:
    """Give a `ParquetWriter`; what it cannot write any more after an error is let go."""
    writer = pq.ParquetWriter(file, schema, compression="zstd")
    try:
        yield writer
    except BaseException:
        with suppress(OSError, ValueError, pa.ArrowException):
            writer.close()
        raise
    writer.close()
