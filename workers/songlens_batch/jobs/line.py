"""The RQ queue of batch jobs: who is put into it, taken out of it, and how each fares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Dependency, Job, JobStatus
from rq.serializers import JSONSerializer

from songlens_batch.jobs.kept_jobs import ACTIVE, forget, kept, open_queue, statuses
from songlens_batch.jobs.names import finish_job, plan_job, shard_job
from songlens_batch.record import BatchRecord

_PLAN = "songlens_batch.jobs.functions.plan_batch"
_SHARD = "songlens_batch.jobs.functions.score_shard"
_FINISH = "songlens_batch.jobs.functions.finish_batch"

_PLAN_TIMEOUT_S = 12 * 3600
_SHARD_LEAST_TIMEOUT_S = 3600
_SHARD_PHOTO_TIMEOUT_S = 60
"""A backstop alone: photos that are not answered end a shard much sooner."""


class JobQueue:
    """The jobs of all batches in one Redis."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._queue = open_queue(connection)

    def plan(self, record: BatchRecord, out: str) -> None:
        """Queue the planning of a batch, which queues all the rest."""
        forget(self._redis, [plan_job(record.id), finish_job(record.id)])
        self._queue.enqueue(
            _PLAN,
            args=(out,),
            job_id=plan_job(record.id),
            description=f"batch {record.id}: plan {record.config.source}",
            job_timeout=_PLAN_TIMEOUT_S,
            **kept(),
        )

    def shards(self, record: BatchRecord, out: str, missing: Sequence[int], total: int) -> int:
        """Queue these shards, but for those that are under way, and the job that ends the batch; return how many."""
        under_way = self.under_way(record.id, missing)
        fresh = [shard for shard in missing if shard not in under_way]
        forget(self._redis, [finish_job(record.id), *(shard_job(record.id, shard) for shard in fresh)])
        self._queue.enqueue_many([self._shard(record, out, shard, total) for shard in fresh])
        self._finish(record, out, [shard_job(record.id, shard) for shard in missing])
        return len(fresh)

    def _shard(self, record: BatchRecord, out: str, shard: int, total: int) -> Any:
        return Queue.prepare_data(
            _SHARD,
            args=(out, shard),
            job_id=shard_job(record.id, shard),
            description=f"batch {record.id}: shard {shard + 1} of {total}",
            timeout=max(_SHARD_LEAST_TIMEOUT_S, record.config.shard_size * _SHARD_PHOTO_TIMEOUT_S),
            **kept(),
        )

    def _finish(self, record: BatchRecord, out: str, after: list[str]) -> None:
        # Also after shards that have failed: the batch's end says which.
        depends_on = Dependency(jobs=after, allow_failure=True) if after else None
        self._queue.enqueue(
            _FINISH,
            args=(out,),
            job_id=finish_job(record.id),
            description=f"batch {record.id}: manifest and summary",
            depends_on=depends_on,
            job_timeout=_SHARD_LEAST_TIMEOUT_S,
            **kept(),
        )

    def under_way(self, batch: str, shards: Sequence[int]) -> set[int]:
        """Return those of these shards whose jobs wait or run."""
        return {shard for shard, status in self.statuses(batch, shards).items() if status in ACTIVE}

    def statuses(self, batch: str, shards: Sequence[int]) -> dict[int, str | None]:
        """Return what RQ says of each shard's job: queued, started, finished, failed, ...; None where it has none."""
        found = statuses(self._redis, [shard_job(batch, shard) for shard in shards])
        return dict(zip(shards, found, strict=True))

    def plans(self, batch: str) -> bool:
        """Say whether the planning waits or runs."""
        return statuses(self._redis, [plan_job(batch)])[0] in ACTIVE

    def cancel(self, batch: str, shards: Sequence[int]) -> None:
        """Take out what waits, and what has failed: nobody will mend it. What runs sees that it is to end."""
        for name in [finish_job(batch), plan_job(batch), *(shard_job(batch, shard) for shard in shards)]:
            try:
                job = Job.fetch(name, connection=self._redis, serializer=JSONSerializer)
                match job.get_status():
                    case JobStatus.QUEUED | JobStatus.DEFERRED | JobStatus.SCHEDULED:
                        job.cancel()
                    case JobStatus.FAILED:
                        job.delete()
            except (NoSuchJobError, InvalidJobOperation):
                continue
