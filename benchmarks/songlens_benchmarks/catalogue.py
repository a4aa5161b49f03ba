"""Every benchmark that `songlens bench` runs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from songlens_benchmarks.row import Effort, Row

BENCHMARKS = {
    "machine": "what this machine can do at most: GEMM, memory, bytes through Redis",
    "search": "image search: exact paths beside FAISS, kinds of less memory, recall",
    "opening": "opening the index of a million images, by several workers",
    "songs": "the song stage: requests ranked a second",
}
"""Name of the module, and what it measures; in the order in which they run."""


class Benchmark(Protocol):
    """What each module is."""

    def run(self, effort: Effort) -> Iterator[Row]:
        """Measure, and yield each row as soon as it is known."""


def benchmark(name: str) -> Benchmark:
    """Return the module."""
    return cast(Benchmark, import_module(f"songlens_benchmarks.{name}"))
