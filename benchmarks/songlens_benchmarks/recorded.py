"""A load that is put on a system several times, in turns with others, and what it costs: medians."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median

from songlens_benchmarks.cpu_times import cpu_seconds
from songlens_benchmarks.load import Served


class Recorded:
    """Calls a measure and remembers what it found."""

    def __init__(self, measure: Callable[[], Served], pids: Mapping[str, Sequence[int]]) -> None:
        """`pids`: the processes whose processor time is of interest."""
        self._measure = measure
        self._pids = pids
        self._runs: list[Served] = []
        self._cpu_us: list[dict[str, float]] = []

    def __call__(self) -> float:
        """Measure once; return requests a second."""
        before = cpu_seconds(self._pids)
        served = self._measure()
        after = cpu_seconds(self._pids)
        self._runs.append(served)
        self._cpu_us.append({name: (after[name] - before[name]) / served.requests * 1e6 for name in self._pids})
        return served.rate

    @property
    def requests(self) -> int:
        """All requests of the last time, also those that were not counted."""
        return self._runs[-1].requests

    @property
    def rate(self) -> float:
        """Requests a second."""
        return median(served.rate for served in self._runs)

    def latency_ms(self, share: float) -> float:
        """Return a percentile of the latencies."""
        return median(served.latency_ms(share) for served in self._runs)

    def cpu_us(self) -> dict[str, float]:
        """Return the processor time that each group of processes took for a request, in microseconds."""
        return {name: median(taken[name] for taken in self._cpu_us) for name in self._pids}

    def cores(self) -> dict[str, float]:
        """Return how many cores each group of processes kept busy."""
        return {name: taken_us * self.rate / 1e6 for name, taken_us in self.cpu_us().items()}
