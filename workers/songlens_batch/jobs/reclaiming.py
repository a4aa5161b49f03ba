"""Jobs of workers that have died are given to whoever is free within seconds, at whatever step the worker was.

RQ means to do so every quarter of an hour. Three of its times stand in the way of less: an idle worker waits for seven
minutes before it looks at anything else, whoever dies while it looks keeps all others from it for fifteen, and a job
that was taken from the queue but not begun is left alone for one.
"""

from __future__ import annotations

from datetime import timedelta

from rq import Queue
from rq.intermediate_queue import IntermediateQueue
from rq.utils import now

from songlens_workers.settings import JobsSettings, load_settings


def takeover_s() -> int:
    """Return after how many seconds the job of a worker that was not heard of is given to another."""
    return load_settings(JobsSettings).takeover_s


class _Taken(IntermediateQueue):
    """Jobs that a worker has taken from the queue and not begun."""

    def should_be_cleaned_up(self, job_id: str) -> bool:
        """Say whether a job has lain here for too long for its worker to be alive."""
        seen = self.get_first_seen(job_id)
        return seen is not None and now() - seen >= timedelta(seconds=takeover_s())


class ReclaimingQueue(Queue):
    """RQ's queue, as workers see it that look after the jobs of others."""

    @property
    def intermediate_queue(self) -> IntermediateQueue:
        """The jobs that were taken and not begun."""
        return _Taken(self.key, connection=self.connection)

    def acquire_maintenance_lock(self) -> bool:
        """Say whether we may look after jobs: one worker at a time, and none for long."""
        return bool(self.connection.set(self.registry_cleaning_key, 1, nx=True, ex=takeover_s()))
