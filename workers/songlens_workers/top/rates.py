"""Rates, means and percentiles out of two reports of a worker."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from songlens_workers.runtime.report import Report

WINDOW_S = 60.0
"""What is shown is of the last minute; at a first look, of all the time that the worker has been there."""

_BUCKET = "songlens_request_seconds_bucket"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What one worker did."""

    images_per_s: float | None
    """None where nothing tells over which time, at the first look."""

    batch_size: float | None
    """Items in a mean batch; this and the next two are None where there was none."""

    batch_fill: float | None
    """Of what it could have held."""

    batch_s: float | None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """From submit to songs, of one lane, over all song workers."""

    lane: str
    answered: int
    p50_s: float
    p95_s: float
    p99_s: float


@dataclass(frozen=True)
class Change:
    """How the totals of a worker have grown."""

    over_s: float | None
    grown: Mapping[str, float]

    def pace(self) -> Pace:
        """Return what it did."""
        batches = self._of("songlens_batch_size_count")
        return Pace(
            images_per_s=self._of("songlens_images_total") / self.over_s if self.over_s else None,
            batch_size=self._mean("songlens_batch_size_sum", batches),
            batch_fill=self._mean("songlens_batch_fill_ratio_sum", batches),
            batch_s=self._mean("songlens_stage_seconds_sum batch", batches),
        )

    def buckets(self) -> Iterator[tuple[str, float, float]]:
        """Yield lane, bound, and how many requests took at most so many seconds."""
        for name, count in self.grown.items():
            sample, *labels = name.split(" ")
            if sample == _BUCKET:
                yield labels[0], float(labels[1]), count

    def _of(self, name: str) -> float:
        return self.grown.get(name, 0.0)

    def _mean(self, name: str, count: float) -> float | None:
        return self._of(name) / count if count else None


class Changes:
    """Remembers reports for as long as the window is."""

    def __init__(self) -> None:
        self._reports: dict[tuple[str, str], deque[Report]] = {}

    def __call__(self, reports: Iterable[Report]) -> dict[tuple[str, str], Change]:
        """Return how each worker's totals have grown, by stage and consumer."""
        latest = {(report.stage, report.consumer): report for report in reports}
        self._reports = {key: self._kept(key, report) for key, report in latest.items()}
        return {key: _change(kept) for key, kept in self._reports.items()}

    def _kept(self, key: tuple[str, str], report: Report) -> deque[Report]:
        kept = self._reports.get(key, deque())
        if not kept or kept[-1].at_s < report.at_s:
            kept.append(report)
        while len(kept) > 2 and kept[1].at_s <= report.at_s - WINDOW_S:
            kept.popleft()
        return kept


def _change(kept: deque[Report]) -> Change:
    first, last = kept[0], kept[-1]
    # A consumer's name may come again, with another process whose totals begin anew.
    if first is last or any(last.totals.get(name, 0.0) < total for name, total in first.totals.items()):
        return Change(None, last.totals)
    grown = {name: total - first.totals.get(name, 0.0) for name, total in last.totals.items()}
    return Change(last.at_s - first.at_s, grown)


def latencies(changes: Iterable[Change]) -> list[Latency]:
    """Return the percentiles of each lane that got songs, as Prometheus reckons them: evenly spread within a bucket."""
    lanes: dict[str, Counter[float]] = {}
    for change in changes:
        for lane, bound_s, count in change.buckets():
            lanes.setdefault(lane, Counter())[bound_s] += int(count)
    return [
        Latency(
            lane=lane,
            answered=answered,
            p50_s=_percentile(buckets, 0.5),
            p95_s=_percentile(buckets, 0.95),
            p99_s=_percentile(buckets, 0.99),
        )
        for lane, buckets in lanes.items()
        if (answered := buckets[float("inf")])
    ]


def _percentile(buckets: Mapping[float, int], share: float) -> float:
    """Return the last bound below infinity where more took longer than that."""
    wanted, below_s, below = share * buckets[float("inf")], 0.0, 0
    for bound_s, count in sorted(buckets.items()):
        if bound_s == float("inf"):
            break
        if count >= wanted:
            return below_s + (bound_s - below_s) * (wanted - below) / (count - below)
        below_s, below = bound_s, count
    return below_s
