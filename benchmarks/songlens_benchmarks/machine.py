"""The limits themselves, so that a table of results says what machine it comes from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from songlens_benchmarks.limits import copy_bytes_per_s, gemm_flops, read_bytes_per_s, redis_bytes_per_s
from songlens_benchmarks.row import Effort, Row
from songlens_shared.broker import connect
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.vision.index.products import bfloat16_is_fast
from songlens_workers.vision.torch_backbone import set_threads

_NO_BFLOAT16 = "There is no row of bfloat16: this processor has no instructions for it."


def run(effort: Effort) -> Iterator[Row]:
    """Yield what this machine can do at most."""
    set_threads(None)
    seconds = 0.2 if effort.quick else 1.0
    yield from _products(seconds)
    yield Row(what="reading memory, all cores", value=read_bytes_per_s(seconds=seconds) / 1e9, unit="GB/s")
    yield Row(what="copying 100 KB, one core", value=copy_bytes_per_s(seconds=seconds) / 1e9, unit="GB/s")
    with (
        tempfile.TemporaryDirectory(prefix="songlens-") as folder,
        EmbeddedBroker(Path(folder), persistent=False) as broker,
        connect(broker.url) as connection,
    ):
        rate = redis_bytes_per_s(connection, seconds=seconds)
        yield Row(what="100 KB through a stream and out again, one client", value=rate / 1e6, unit="MB/s")


def _products(seconds: float) -> Iterator[Row]:
    fast = bfloat16_is_fast()
    found = gemm_flops(seconds=seconds) / 1e9
    yield Row(what="matrix product, float32", value=found, unit="GFLOP/s", note="" if fast else _NO_BFLOAT16)
    if fast:
        yield Row(what="matrix product, bfloat16", value=gemm_flops("bfloat16", seconds=seconds) / 1e9, unit="GFLOP/s")
