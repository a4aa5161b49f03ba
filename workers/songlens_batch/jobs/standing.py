"""How the jobs stand as a whole, by RQ's own lists: how many wait, run and have failed, and which shards those are."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import BaseRegistry, StartedJobRegistry
from rq.utils import utcparse

from songlens_batch.jobs.kept_jobs import open_queue
from songlens_batch.jobs.names import shard_of

_NOTHING: frozenset[int] = frozenset()

STATUSES = tuple(
    status.value
    for status in (
        JobStatus.QUEUED,
        JobStatus.STARTED,
        JobStatus.DEFERRED,
        JobStatus.SCHEDULED,
        JobStatus.FINISHED,
        JobStatus.FAILED,
        JobStatus.CANCELED,
    )
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """All jobs of the queue at one moment."""

    counts: Mapping[str, int]
    """Jobs by `STATUSES`."""

    oldest_waiting_s: float
    """For how long the job at the head of the queue has waited; 0 where none does."""

    running: Mapping[str, frozenset[int]]
    """Shards whose job runs, by batch."""

    failed: Mapping[str, frozenset[int]]
    """Shards whose job has failed, by batch."""

    def running_of(self, batch: str) -> frozenset[int]:
        """Return those of one batch."""
        return self.running.get(batch, _NOTHING)

    def failed_of(self, batch: str) -> frozenset[int]:
        """Return those of one batch."""
        return self.failed.get(batch, _NOTHING)


def standing(connection: redis.Redis) -> Standing:
    """Look at RQ's lists in two round trips. Unlike RQ's own counts this changes nothing."""
    queue = open_queue(connection)
    pipeline = connection.pipeline(transaction=False)
    pipeline.llen(queue.key)
    for registry in _registries(queue):
        pipeline.zcard(registry.key)
    pipeline.lindex(queue.key, 0)
    pipeline.zrange(queue.started_job_registry.key, 0, -1)
    pipeline.zrange(queue.failed_job_registry.key, 0, -1)
    *counts, oldest, started, failed = pipeline.execute()
    return Standing(
        counts=dict(zip(STATUSES, counts, strict=True)),
        oldest_waiting_s=_waiting_s(connection, oldest) if oldest else 0.0,
        running=_by_batch(map(StartedJobRegistry.parse_job_id, started)),
        failed=_by_batch(map(BaseRegistry.parse_job_id, failed)),
    )


def _registries(queue: Queue) -> tuple[BaseRegistry, ...]:
    """Return them in the order of `STATUSES`, whose first is the queue itself."""
    return (
        queue.started_job_registry,
        queue.deferred_job_registry,
        queue.scheduled_job_registry,
        queue.finished_job_registry,
        queue.failed_job_registry,
        queue.canceled_job_registry,
    )


def _waiting_s(connection: redis.Redis, job: bytes) -> float:
    since: Any = connection.hget(Job.key_for(job.decode()), "enqueued_at")
    return max(0.0, time.time() - utcparse(since.decode()).timestamp()) if since else 0.0


def _by_batch(jobs: Iterable[str]) -> dict[str, frozenset[int]]:
    shards: defaultdict[str, set[int]] = defaultdict(set)
    for job in jobs:
        if found := shard_of(job):
            shards[found[0]].add(found[1])
    return {batch: frozenset(found) for batch, found in shards.items()}
