"""The pool of processes that run jobs: RQ's own, told to notice within seconds that one of them has died."""

from __future__ import annotations

import os
import signal
import threading
import time
from importlib import import_module
from typing import Any

import redis
import rq
import structlog
from prometheus_client import CollectorRegistry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry
from rq import Queue
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker_pool import WorkerPool

from songlens_batch.jobs.health import serving_health
from songlens_batch.jobs.names import QUEUE
from songlens_batch.jobs.reclaiming import ReclaimingQueue, takeover_s
from songlens_batch.jobs.rq_log import pass_on_rq_lines
from songlens_batch.state.durations import JobDurations, kind_of
from songlens_shared.address import safe_url, url_errors
from songlens_workers.runtime.health import Pulse
from songlens_workers.settings import JobsSettings

_MONITORING_S = 5
_STUCK_S = 60.0
_LOOK_EVERY_S = 1.0
_log = structlog.get_logger()


class JobWorker(rq.Worker):
    """An RQ worker whose jobs are given to others soon after it has died, instead of within a quarter of an hour."""

    pool_pid = 0
    """Noted by the pool before it forks: asked later, our parent may be another already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._takeover_s = takeover_s()
        kwargs["job_monitoring_interval"] = min(_MONITORING_S, self._takeover_s // 2)
        kwargs["maintenance_interval"] = self._takeover_s
        super().__init__(*args, **kwargs)

    @property
    def dequeue_timeout(self) -> int:
        """Seconds that an idle worker waits for a job before it looks after those of the dead."""
        return self._takeover_s

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Run jobs, as RQ does, until told to stop, or until the pool is no more: nobody would ever tell us."""
        threading.Thread(target=_stop_with, args=(self.pool_pid,), daemon=True).start()
        return bool(super().work(*args, **kwargs))

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job, as RQ does, in the process that it has for it; how long it took is noted for the metrics."""
        began_s = time.monotonic()
        done = bool(super().perform_job(job, queue, execution))
        try:
            kind = kind_of(job.func_name or "")
            JobDurations(self.connection).note(kind, done=done, seconds=time.monotonic() - began_s)
        except redis.RedisError as error:
            _log.warning("job_seconds_not_noted", job=job.id, error=str(error))
        return done

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Return for how many seconds a running job is believed to be in good hands."""
        return self._takeover_s


class JobPool(WorkerPool):
    """RQ's pool, which tells how its loop and its processes are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pulse = Pulse(_STUCK_S)

    def reap_workers(self) -> None:
        """Remove processes that have ended; RQ's loop calls this about every second, also while it stops."""
        super().reap_workers()  # type: ignore[no-untyped-call]
        self.pulse.beat("pool")

    def living(self) -> int:
        """Return how many processes are alive. For other threads as well."""
        return sum(data.process.is_alive() for data in list(self.worker_dict.values()))


def _stop_with(pool: int) -> None:
    """Ask ourselves to stop once another process than the pool is our parent."""
    while os.getppid() == pool:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


def run_pool(settings: JobsSettings, *, burst: bool = False) -> None:
    """Run jobs until SIGTERM or SIGINT, then let those that run end; with `burst`, until none waits."""
    _hand_down(settings)
    JobWorker.pool_pid = os.getpid()
    import_module("songlens_batch.jobs.functions")  # each job's process is forked, and need not import it all again
    pass_on_rq_lines()
    with url_errors(settings.jobs_url):
        connection = redis.Redis.from_url(
            settings.jobs_url, retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), 3)
        )
    pool = JobPool(
        [QUEUE],
        connection=connection,
        num_workers=settings.job_processes,
        worker_class=JobWorker,
        queue_class=ReclaimingQueue,
        serializer=JSONSerializer,
    )
    _log.info("jobs_serving", redis=safe_url(settings.jobs_url), processes=settings.job_processes, queue=QUEUE)
    with serving_health(settings, CollectorRegistry(), pool.pulse, pool.living):
        pool.start(burst=burst, logging_level="WARNING")
    _log.info("jobs_stopped")


def _hand_down(settings: JobsSettings) -> None:
    """Let the jobs, which read their settings in processes of their own, find those of our command line."""
    for name in settings.model_fields_set:
        if (value := getattr(settings, name)) is not None:
            os.environ[f"SONGLENS_{name.upper()}"] = str(value)
