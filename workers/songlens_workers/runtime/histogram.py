"""A Prometheus histogram that is cheap to observe: one lock for however many values, and a search for the bucket.

The client library's histogram takes a lock for each number that it changes, and looks through the buckets one by one:
four observations of a request were most of what metrics cost (docs/performance.md). What is shown is the same.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import Exemplar, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_Bucket = tuple[str, float] | tuple[str, float, Exemplar]


class Series:
    """The observations of one set of label values."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: upper ends of the buckets, inclusive, ascending; one more holds what is past them."""
        self._bounds = bounds
        self._lock = Lock()
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._exemplars: dict[int, Exemplar] = {}

    def observe(self, value: float, trace_id: str | None = None) -> None:
        """Count one value; the trace id is shown beside its bucket, until a later one of the same bucket has one."""
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[bucket] += 1
            self._sum += value
            if trace_id:
                self._exemplars[bucket] = Exemplar({"trace_id": trace_id}, value, time.time())

    def observe_all(self, values: Iterable[float]) -> None:
        """Count several values."""
        bounds, counts = self._bounds, self._counts
        with self._lock:
            for value in values:
                counts[bisect_left(bounds, value)] += 1
                self._sum += value

    def read(self) -> tuple[list[_Bucket], float]:
        """Return the buckets as Prometheus has them, each with all that are below it, and the sum."""
        with self._lock:
            counts, total, exemplars = list(self._counts), self._sum, dict(self._exemplars)
        ends = (*map(floatToGoString, self._bounds), "+Inf")
        reached = zip(ends, accumulate(counts), strict=True)
        return [
            (end, float(count), exemplars[bucket]) if bucket in exemplars else (end, float(count))
            for bucket, (end, count) in enumerate(reached)
        ], total


class Histogram(Collector):
    """Series by their labels' values, in a registry."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        """Raises `ValueError` where `buckets` do not ascend."""
        if any(low >= high for low, high in pairwise(buckets)):
            raise ValueError(f"The buckets of {name} must ascend; they are {tuple(buckets)}.")
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._bounds = tuple(map(float, buckets))
        self._series: dict[tuple[str, ...], Series] = {}
        registry.register(self)

    def labels(self, *values: str) -> Series:
        """Return the series of these values, which is shown from now on. Raises `ValueError` for too few or many."""
        if (known := self._series.get(values)) is not None:
            return known
        if len(values) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, not {len(values)} of them.")
        return self._series.setdefault(values, Series(self._bounds))

    def describe(self) -> list[HistogramMetricFamily]:
        """Return the metric without any series, for the registry to know its names."""
        return [HistogramMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> list[HistogramMetricFamily]:
        """Return the metric as it is now."""
        (metric,) = self.describe()
        for values, series in list(self._series.items()):
            metric.add_metric(values, *series.read())
        return [metric]
