"""Every metric of a stage. The registry is passed in; no id is ever a label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class StageMetrics:
    """What one stage of one worker counts."""

    def __init__(self, registry: CollectorRegistry, stage: str) -> None:
        self._stage = stage
        self._requests = Counter(
            "songlens_requests", "Requests that left the stage, by outcome.", ["stage", "code"], registry=registry
        )
        self._batches = Counter(
            "songlens_batches", "Batches run, by why they were released.", ["stage", "reason"], registry=registry
        )
        self._batch_size = Histogram(
            "songlens_batch_size", "Items in a batch.", ["stage"], buckets=_SIZES, registry=registry
        )
        self._seconds = Histogram(
            "songlens_stage_seconds",
            "Time by step: queue, batch.",
            ["stage", "step"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._queue_seconds = self._seconds.labels(stage, "queue")  # looked up once: it is asked for by every entry
        self._takeovers = Counter(
            "songlens_takeovers", "Entries taken over from other workers.", ["stage"], registry=registry
        )
        self._late = Counter(
            "songlens_deliveries_refused",
            "Outcomes that came second: after another worker's, or after our own when its confirmation was lost.",
            ["stage"],
            registry=registry,
        )
        self._target_size = Gauge(
            "songlens_batch_target_size",
            "Items that a batch shall hold, so that it meets the lane's target.",
            ["stage", "lane"],
            registry=registry,
        )
        self._item_seconds = Gauge(
            "songlens_batch_item_seconds",
            "Seconds that each item adds to a batch, as learned.",
            ["stage"],
            registry=registry,
        )
        self._fixed_seconds = Gauge(
            "songlens_batch_fixed_seconds",
            "Seconds that a batch takes however small it is, as learned.",
            ["stage"],
            registry=registry,
        )
        self._in_flight = Gauge("songlens_in_flight", "Entries claimed and not finished.", ["stage"], registry=registry)

    def finished(self, code: str, requests: int = 1) -> None:
        """So many requests left the stage: ok, or the code of their error."""
        self._requests.labels(self._stage, code).inc(requests)

    def refused(self, entries: int = 1) -> None:
        """Somebody else had ended so many entries before."""
        self._late.labels(self._stage).inc(entries)

    def batch(self, size: int, reason: str, seconds: float) -> None:
        """One batch has run."""
        self._batches.labels(self._stage, reason).inc()
        self._batch_size.labels(self._stage).observe(size)
        self._seconds.labels(self._stage, "batch").observe(seconds)

    def target_size(self, lane: str, items: int) -> None:
        """Batches of this lane shall now hold so many."""
        self._target_size.labels(self._stage, lane).set(items)

    def batch_time(self, item_s: float, fixed_s: float) -> None:
        """What a batch takes is now expected to be this."""
        self._item_seconds.labels(self._stage).set(item_s)
        self._fixed_seconds.labels(self._stage).set(fixed_s)

    def waited(self, queue_ms: float) -> None:
        """One entry was claimed after so long in its stream."""
        self._queue_seconds.observe(queue_ms / 1000)

    def took_over(self, entries: int) -> None:
        """So many entries came from a worker that stopped renewing them."""
        self._takeovers.labels(self._stage).inc(entries)

    def in_flight(self, entries: int) -> None:
        """So many entries are held now."""
        self._in_flight.labels(self._stage).set(entries)


class ContentCacheMetrics:
    """What the content cache of one vision worker counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        lookups = Counter(
            "songlens_content_cache_lookups",
            "Photos looked up in the content cache, by result: hit, miss.",
            ["stage", "result"],
            registry=registry,
        )
        self._hits, self._misses = lookups.labels("vision", "hit"), lookups.labels("vision", "miss")

    def looked_up(self, *, hit: bool) -> None:
        """One photo was looked up."""
        (self._hits if hit else self._misses).inc()
