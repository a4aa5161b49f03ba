"""Every metric of a stage. The registry is passed in; no id is ever a label."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from songlens_shared.address import home
from songlens_shared.errors import REQUEST_ERRORS
from songlens_shared.keys import LANES
from songlens_workers.runtime.histogram import Histogram
from songlens_workers.runtime.sizing import Sizing

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for every counter, that nobody looks at

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1)
_OK = "ok"
_STEPS = ("queue", "batch", "reply")
"""What every stage tells the time of."""

_OWN_STEPS = {"vision": ("decode", "embed", "search"), "songs": ("songs",)}

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class BatchMetrics:
    """What one stage of one worker tells of its batches."""

    def __init__(self, registry: CollectorRegistry, stage: str) -> None:
        self._stage = stage
        self._batches = Counter(
            "songlens_batches", "Batches run, by why they were released.", ["stage", "reason"], registry=registry
        )
        self._size = Histogram(
            "songlens_batch_size", "Items in a batch.", ["stage"], buckets=_SIZES, registry=registry
        ).labels(stage)
        self._fill = Histogram(
            "songlens_batch_fill_ratio",
            "Items in a batch, of those that it could have held.",
            ["stage"],
            buckets=_SHARES,
            registry=registry,
        ).labels(stage)
        self._images = Counter(
            "songlens_images",
            "Items that were in batches: photos for vision, hits for songs.",
            ["stage"],
            registry=registry,
        ).labels(stage)
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

    def ran(self, size: int, reason: str, *, capacity: int) -> None:
        """One batch has run, which could have held so many items."""
        self._batches.labels(self._stage, reason).inc()
        self._size.observe(size)
        self._fill.observe(size / capacity)
        self._images.inc(size)

    def show(self, sizing: Sizing) -> None:
        """Show what is learned of batches, as it is whenever somebody looks."""
        for lane in LANES:
            self._target_size.labels(self._stage, lane).set_function(partial(sizing.size, lane))
        self._item_seconds.labels(self._stage).set_function(lambda: sizing.time.item_s)
        self._fixed_seconds.labels(self._stage).set_function(lambda: sizing.time.fixed_s)


class StageMetrics:
    """What one stage of one worker counts. Labels are looked up once where they can be: every entry counts."""

    def __init__(self, registry: CollectorRegistry, stage: str) -> None:
        self._stage = stage
        # What alerts watch is there from the start: of a counter that begins with its first event, Prometheus never
        # sees that it rises.
        self._requests = Counter(
            "songlens_requests", "Requests that left the stage, by outcome.", ["stage", "code"], registry=registry
        )
        for code in (_OK, *REQUEST_ERRORS):
            self._requests.labels(stage, code)
        seconds = Histogram(
            "songlens_stage_seconds",
            "Time by step: queue, batch, reply; of vision also decode, embed, search, of songs also songs.",
            ["stage", "step"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._steps = {step: seconds.labels(stage, step) for step in (*_STEPS, *_OWN_STEPS.get(stage, ()))}
        self._deliveries = Counter(
            "songlens_deliveries",
            "Entries claimed, those that were delivered before included.",
            ["stage"],
            registry=registry,
        ).labels(stage)
        self._dead = Counter(
            "songlens_dead_letters_buried", "Entries that became dead letters.", ["stage"], registry=registry
        ).labels(stage)
        self._takeovers = Counter(
            "songlens_takeovers", "Entries taken over from other workers.", ["stage"], registry=registry
        ).labels(stage)
        self._late = Counter(
            "songlens_deliveries_refused",
            "Outcomes that came second: after another worker's, or after our own when its confirmation was lost.",
            ["stage"],
            registry=registry,
        ).labels(stage)
        self._in_flight = Gauge("songlens_in_flight", "Entries claimed and not finished.", ["stage"], registry=registry)
        self._batch = BatchMetrics(registry, stage)

    def show(self, in_flight: Callable[[], int], sizing: Sizing) -> None:
        """Show how many entries are held and what is learned of batches, as it is whenever somebody looks."""
        self._in_flight.labels(self._stage).set_function(in_flight)
        self._batch.show(sizing)

    def finished(self, code: str, requests: int = 1) -> None:
        """So many requests left the stage: ok, or the code of their error."""
        self._requests.labels(self._stage, code).inc(requests)

    def refused(self, entries: int = 1) -> None:
        """Somebody else had ended so many entries before."""
        self._late.inc(entries)

    def batch(self, size: int, reason: str, seconds: float, *, capacity: int) -> None:
        """One batch has run, which could have held so many items."""
        self._batch.ran(size, reason, capacity=capacity)
        self._steps["batch"].observe(seconds)

    def claimed(self, queue_ms: Sequence[float]) -> None:
        """Entries were claimed, each after so long in its stream."""
        self._deliveries.inc(len(queue_ms))
        self._steps["queue"].observe_all(waited_ms / 1000 for waited_ms in queue_ms)

    def sent(self, seconds: float) -> None:
        """The outcomes of a batch have been brought to Redis."""
        self._steps["reply"].observe(seconds)

    def buried(self) -> None:
        """One entry became a dead letter."""
        self._dead.inc()

    def step(self, step: str, seconds: float) -> None:
        """A step of the stage's own has taken so long: for one photo (decode), or for a batch."""
        self._steps[step].observe(seconds)

    def took_over(self, entries: int) -> None:
        """So many entries came from a worker that stopped renewing them."""
        self._takeovers.inc(entries)


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


class RequestMetrics:
    """How long requests took in all, as the song stage, which ends them, knows it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "songlens_request_seconds",
            "From submit to the reply, of requests that got songs.",
            ["lane"],
            buckets=_SECONDS,
            registry=registry,
        )

    def answered(self, total_ms: float, lane: str, trace_id: str | None) -> None:
        """One request got its songs; a trace id is shown beside the bucket that it falls into (an exemplar)."""
        self._seconds.labels(lane).observe(total_ms / 1000, trace_id)


class ModelMetrics:
    """Which model version a worker serves, since when, and how long it took to open."""

    def __init__(self, registry: CollectorRegistry, stage: str) -> None:
        self._stage = stage
        self._info = Gauge(
            "songlens_model_info", "1 for the model version that serves.", ["stage", "model"], registry=registry
        )
        self._loaded = Gauge(
            "songlens_model_loaded_timestamp_seconds", "When it began to serve.", ["stage"], registry=registry
        )
        self._load_seconds = Gauge(
            "songlens_model_load_seconds", "How long it took to open.", ["stage"], registry=registry
        )
        self._refused = Gauge(
            "songlens_model_refused",
            "1 while the newest version could not be loaded, and another or none serves.",
            ["stage"],
            registry=registry,
        )
        self._refused.labels(stage).set(0)

    def loaded(self, version: str, seconds: float) -> None:
        """A version serves now, and no other."""
        self._info.clear()
        self._info.labels(self._stage, version).set(1)
        self._loaded.labels(self._stage).set_to_current_time()
        self._load_seconds.labels(self._stage).set(seconds)
        self._refused.labels(self._stage).set(0)

    def refused(self) -> None:
        """The newest version could not be loaded."""
        self._refused.labels(self._stage).set(1)

    def forgiven(self) -> None:
        """The version that could not be loaded is no longer wanted."""
        self._refused.labels(self._stage).set(0)


def _free_bytes() -> float:
    folder = home()
    while not folder.exists():
        folder = folder.parent
    return float(shutil.disk_usage(folder).free)


def show_process(registry: CollectorRegistry) -> None:
    """Put the process's own figures (processor time, memory, files) and its versions into a registry."""
    ProcessCollector(registry=registry)
    free = Gauge("songlens_disk_free_bytes", "Free space of the disk that holds SONGLENS_HOME.", registry=registry)
    free.set_function(_free_bytes)
    Info("songlens_build", "Versions of this process.", registry=registry).info(
        {"version": version("songlens"), "python": platform.python_version()}
    )
