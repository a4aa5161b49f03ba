"""What metrics cost the worker that keeps them: the processor time of every call, measured where it is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

_CALLS = 200
METRIC = "songlens_benchmark_metrics_seconds"


class MetricsTime:
    """Sums the time, without what measuring it takes, and shows it among the metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ns: list[int] = []
        Gauge(METRIC, "Processor time in metrics.", registry=registry).set_function(self._seconds)

    def of(self, metrics: object) -> Any:
        """Return the same metrics, timed."""
        return _Timed(metrics, self._ns.append)

    def _seconds(self) -> float:
        return (sum(self._ns) - len(self._ns) * _measuring_ns()) / 1e9


def _measuring_ns() -> float:
    """Return what is measured of a call that does nothing."""
    nothing: list[int] = []
    timed = _Timed(_Deaf(), nothing.append)
    for _ in range(_CALLS):
        timed.told()
    return median(nothing)


class _Deaf:
    def told(self) -> None:
        pass


class _Timed:
    def __init__(self, metrics: object, took_ns: Callable[[int], None]) -> None:
        self._metrics = metrics
        self._took_ns = took_ns

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._metrics, name)

        def timed(*args: object, **kwargs: object) -> None:
            began_ns = time.thread_time_ns()
            call(*args, **kwargs)
            self._took_ns(time.thread_time_ns() - began_ns)

        setattr(self, name, timed)  # asked for once
        return timed
