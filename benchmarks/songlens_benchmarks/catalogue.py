"""Every benchmark that `songlens bench` runs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from songlens_benchmarks.row import Effort, Row

BENCHMARKS = {
    "machine": "what this machine can do at most: GEMM, memory, bytes through Redis",
    "batching": "how batches follow the time they take: throughput, latency, a device that changes (simulated)",
    "forward": "VGG-19 on a CPU, alone: fp32, bf16, int8 beside GEMM; recall@5 of each",
}
"""Name of the module, and what it measures; in the order in which they run."""


class Benchmark(Protocol):
    """What each module is."""

    def run(self, effort: Effort) -> Iterator[Row]:
        """Measure, and yield each row as soon as it is known."""


def benchmark(name: str) -> Benchmark:
    """Return the module."""
    return cast(Benchmark, import_module(f"songlens_benchmarks.{name}"))
