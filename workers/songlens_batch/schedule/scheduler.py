"""RQ's cron with what RQ's lacks: JSON instead of pickle, UTC, and each slot queued once by however many schedulers."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import redis
import structlog
from croniter import croniter
from redis.client import Pipeline
from rq import Retry, cron_job_registry
from rq.cron import CronJob, CronScheduler
from rq.defaults import DEFAULT_CRON_JOB_HISTORY_LIMIT, DEFAULT_CRON_JOB_HISTORY_TTL
from rq.exceptions import DuplicateJobError, SchedulerNotFound, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now

from songlens_batch.connections import jobs_redis
from songlens_batch.jobs.kept_jobs import RETRIES, open_queue
from songlens_batch.jobs.names import QUEUE, slot_job
from songlens_batch.schedule.file import Schedule, read_schedules
from songlens_shared.address import safe_url
from songlens_workers.settings import JobsSettings

KEPT_S = 24 * 3600
"""How long a job is known after it has ended, and so how far behind another scheduler may be without doing it again."""

FAILURE_KEPT_S = 7 * KEPT_S

_LOOK_AGAIN_S = 2.0
_AWAY = (redis.ConnectionError, redis.TimeoutError)
_log = structlog.get_logger()


class SlotJob(CronJob):
    """A schedule. A *slot* is one moment at which it is due; its job has an id that any scheduler would give it."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(
            queue_name=QUEUE,
            func_name=schedule.function,
            args=(dict(schedule.options),),
            cron=schedule.cron,
            job_timeout=schedule.timeout_s,
            result_ttl=KEPT_S,
            failure_ttl=FAILURE_KEPT_S,
            name=schedule.name,
        )

    def get_next_enqueue_time(self) -> datetime:
        """Return the next slot. RQ's own is by the clock on the wall, which two hosts may not share."""
        slot: datetime = croniter(self.cron, self.latest_enqueue_time or now()).get_next(datetime)
        return slot

    def enqueue(self, connection: redis.Redis) -> Job:
        """Queue the slot that is due, ahead of the shards that wait, unless another scheduler has done so."""
        slot = self.next_enqueue_time
        assert slot is not None, "every schedule has a cron expression"
        name = slot_job(self.name, slot)
        try:
            job = open_queue(connection).enqueue(
                self.func_name,
                args=(*self.args, slot.isoformat()),
                job_id=name,
                unique=True,
                at_front=True,
                description=f"schedule {self.name}: {self.func_name.rsplit('.', 1)[-1]}, due {slot:%Y-%m-%d %H:%M} UTC",
                retry=Retry(max=RETRIES),
                **self.job_options,
            )
        except DuplicateJobError:
            _log.info("slot_queued_by_another", schedule=self.name, job=name)
            return Job.fetch(name, connection=connection, serializer=JSONSerializer)
        self._note(connection, job)
        _log.info("slot_queued", schedule=self.name, job=name)
        return job

    def _note(self, connection: redis.Redis, job: Job) -> None:
        """Note the job in RQ's history of cron jobs, as RQ does."""
        queued_s = now().timestamp()
        with connection.pipeline() as pipeline:
            pipeline.zadd(self.job_history_key, {job.id: queued_s})
            pipeline.zremrangebyrank(self.job_history_key, 0, -(DEFAULT_CRON_JOB_HISTORY_LIMIT + 1))
            pipeline.expire(self.job_history_key, DEFAULT_CRON_JOB_HISTORY_TTL)
            cron_job_registry.add(self.name, pipeline, enqueue_timestamp=queued_s)
            pipeline.execute()


class Scheduler(CronScheduler):
    """RQ's scheduler, which waits for a Redis that is away."""

    def __init__(self, connection: redis.Redis, schedules: Sequence[Schedule], file: Path) -> None:
        super().__init__(connection=connection, logging_level=logging.WARNING)
        self.config_file = str(file)
        self._cron_jobs = [SlotJob(schedule) for schedule in schedules]

    def enqueue_jobs(self) -> list[CronJob]:
        """Queue what is due. A slot that cannot be queued stays due."""
        try:
            return super().enqueue_jobs()
        except _AWAY as error:
            _log.warning("slots_not_queued", error=str(error))
            time.sleep(_LOOK_AGAIN_S)
            return []

    def heartbeat(self) -> None:
        """Tell that we live."""
        with suppress(*_AWAY):
            super().heartbeat()

    def save(self, pipeline: Pipeline | None = None) -> None:
        """Show our schedules."""
        with suppress(*_AWAY):
            super().save(pipeline)

    def register_death(self, pipeline: Pipeline | None = None) -> None:
        """Tell that we end; a Redis that is away, or has forgotten us, will find out by itself."""
        with suppress(*_AWAY, SchedulerNotFound):
            super().register_death(pipeline)


def run_schedules(file: Path, settings: JobsSettings) -> None:
    """Queue what a file of schedules says until SIGTERM or SIGINT.

    Raises `ConfigError` for a file that is not in order, `BrokerUnavailable` where there is no Redis at the start.
    """
    schedules = read_schedules(file)
    logging.getLogger("rq").setLevel(logging.WARNING)
    with jobs_redis(settings.jobs_url) as connection:
        scheduler = Scheduler(connection, schedules, file)
        _log.info("scheduling", redis=safe_url(settings.jobs_url), file=str(file), schedules=len(schedules))
        for job in scheduler.get_jobs():
            _log.info("next_slot", schedule=job.name, cron=job.cron, at=str(job.next_enqueue_time))
        with suppress(StopRequested):
            scheduler.start()  # type: ignore[no-untyped-call]
    _log.info("scheduler_stopped")
