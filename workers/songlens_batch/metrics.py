"""What Prometheus sees of batches and their jobs: read from the jobs' Redis when it asks, and never an id as a label.

Every job worker shows the same figures, which are those of the Redis and not its own: of several, look at one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

import redis
import structlog
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from songlens_batch.jobs.standing import Standing, standing
from songlens_batch.state.durations import BOUNDS_S, Durations, JobDurations
from songlens_batch.state.progress import Progress, ShardSets, progress
from songlens_batch.state.registry import ENDED, PLANNING, RUNNING, Fields, Figures, Registry

STATES = (PLANNING, RUNNING, *ENDED)
MOST_CODES = 40
"""Codes come from closed lists that are shorter. What is past it counts as `other`."""

_Seen = tuple[Fields, frozenset[int], frozenset[int]]
"""A batch's state, and its shards that run and that have failed. While these are the same, so are its figures."""

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class OpenBatch:
    """A batch that has not ended."""

    shards: Mapping[str, int]
    """queued, running, done, failed"""

    images: int
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Look:
    """All batches at one moment."""

    states: Counter[str]
    open: list[OpenBatch]
    jobs: Standing
    durations: list[Durations]


class Looking:
    """Reads it from the jobs' Redis, and as little of it as will do.

    Of a batch that has ended its state alone is read, and of one that goes on its shards only where they have changed:
    a hundred batches of a thousand shards would be read for a second otherwise.
    """

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._registry = Registry(connection)
        self._known: dict[str, tuple[_Seen, OpenBatch]] = {}

    def __call__(self) -> Look:
        """Look once more."""
        states, jobs = self._registry.states(), standing(self._redis)
        ids = [batch for batch, state in states.items() if state not in ENDED]
        seen = {
            batch: (fields, jobs.running_of(batch), jobs.failed_of(batch))
            for batch, fields in zip(ids, self._registry.states_of(ids), strict=True)
        }
        known = {batch: one for batch, one in self._known.items() if seen.get(batch) == one[0]}
        changed = [batch for batch in ids if batch not in known]
        for batch, figures in zip(changed, self._registry.shards_of(changed), strict=True):
            known[batch] = seen[batch], _open_batch(seen[batch], figures)
        self._known = known
        return Look(
            states=Counter(states.values()),
            open=[one for _, one in known.values()],
            jobs=jobs,
            durations=list(JobDurations(self._redis).read()),
        )


def _open_batch(seen: _Seen, figures: Figures) -> OpenBatch:
    fields, running, failed = seen
    shards = ShardSets.from_redis(figures, running, failed)
    return OpenBatch(
        shards=_counted(int(fields.get("shards", 0)), shards),
        images=int(fields.get("images", 0)),
        progress=progress(fields, figures, shards),
    )


def _counted(planned: int, shards: ShardSets) -> dict[str, int]:
    counts = {"done": len(shards.done), "running": len(shards.running), "failed": len(shards.failed)}
    return {"queued": max(0, planned - sum(counts.values())), **counts}


class BatchCollector(Collector):
    """Looks whenever it is asked; where it cannot, it says so by `songlens_jobs_redis_up`."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        try:
            found = self._look()
        except redis.RedisError as error:
            _log.warning("batches_not_read", error=str(error))
            return [_single("songlens_jobs_redis_up", "Whether the Redis of the jobs answers.", 0)]
        return [
            _single("songlens_jobs_redis_up", "Whether the Redis of the jobs answers.", 1),
            *_batches(found),
            *_jobs(found.jobs),
            _job_seconds(found.durations),
        ]


def _batches(found: Look) -> Iterator[Metric]:
    open_ = found.open
    yield _by(
        "songlens_batches",
        "Batches of the last 30 days, by state.",
        "state",
        {state: found.states[state] for state in STATES},
    )
    yield _by(
        "songlens_batch_shards",
        "Shards of batches that have not ended, by state.",
        "state",
        {state: sum(batch.shards[state] for batch in open_) for state in ("queued", "running", "done", "failed")},
    )
    yield _by(
        "songlens_batch_images",
        "Photos of batches that have not ended: planned so far, and scored.",
        "state",
        {
            "planned": sum(batch.images for batch in open_),
            "scored": sum(batch.progress.rows for batch in open_),
        },
    )
    yield _single(
        "songlens_batch_images_per_second",
        "Photos that all batches which have not ended have scored a second since each was begun.",
        sum(batch.progress.images_per_s for batch in open_),
    )
    yield _by(
        "songlens_batch_errors",
        "Photos of batches that have not ended which got no songs, by error code.",
        "code",
        _bounded(sum((batch.progress.errors for batch in open_), Counter())),
    )


def _jobs(jobs: Standing) -> Iterator[Metric]:
    yield _by("songlens_jobs", "Jobs of the queue, by RQ's status.", "status", jobs.counts)
    yield _single(
        "songlens_jobs_oldest_waiting_seconds",
        "How long the job at the head of the queue has waited; 0 where none does.",
        jobs.oldest_waiting_s,
    )


def _job_seconds(durations: list[Durations]) -> Metric:
    metric = HistogramMetricFamily(
        "songlens_job_seconds",
        "How long jobs took, by kind, and by how they ended; those whose process was killed are not among them.",
        labels=["kind", "outcome"],
    )
    for each in durations:
        reached = accumulate(each.counts)
        bounds = (*map(floatToGoString, BOUNDS_S), "+Inf")
        metric.add_metric([each.kind, each.outcome], list(zip(bounds, reached, strict=True)), each.sum_s)
    return metric


def _bounded(errors: Counter[str]) -> dict[str, int]:
    named = dict(errors.most_common(MOST_CODES))
    rest = errors.total() - sum(named.values())
    return {**named, "other": rest} if rest else named


def _single(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _by(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(name, what, labels=[label])
    for of, value in values.items():
        metric.add_metric([of], value)
    return metric
