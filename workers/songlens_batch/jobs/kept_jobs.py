"""The jobs that Redis keeps by readable ids: how each stands, and forgetting those that are to be queued anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import redis
from rq import Queue, Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from songlens_batch.jobs.names import QUEUE
from songlens_shared.keys import BATCH_TTL_S

RETRIES = 3
"""Of a job whose process died, or that failed by what may be better later."""

ACTIVE = {status.value for status in (JobStatus.QUEUED, JobStatus.STARTED, JobStatus.DEFERRED, JobStatus.SCHEDULED)}
"""Statuses of jobs that wait or run."""


def open_queue(connection: redis.Redis) -> Queue:
    """Return the queue of batch jobs."""
    return Queue(QUEUE, connection=connection, serializer=JSONSerializer)


def kept() -> dict[str, Any]:
    """Return the options of every job: how often it is tried, and how long Redis remembers it."""
    return {"retry": Retry(max=RETRIES), "result_ttl": BATCH_TTL_S, "failure_ttl": BATCH_TTL_S}


def statuses(connection: redis.Redis, names: Iterable[str]) -> list[str | None]:
    """Return what RQ says of each job: queued, started, finished, failed, ...; None where there is none."""
    pipeline = connection.pipeline(transaction=False)
    for name in names:
        pipeline.hget(Job.key_for(name), "status")
    return [status.decode() if status else None for status in pipeline.execute()]


def forget(connection: redis.Redis, names: Iterable[str]) -> None:
    """Remove these jobs, whatever has become of them."""
    for job in Job.fetch_many(list(names), connection=connection, serializer=JSONSerializer):
        if job is not None:
            job.delete()
