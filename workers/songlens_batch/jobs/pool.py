"""The pool of processes that run jobs: RQ's own, which loses no stop, and tells how it and its processes are."""

from __future__ import annotations

import os
import signal
from importlib import import_module
from typing import Any

import redis
import structlog
from prometheus_client import CollectorRegistry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry
from rq.serializers import JSONSerializer
from rq.worker_pool import WorkerData, WorkerPool

from songlens_batch.jobs.health import serving_health
from songlens_batch.jobs.names import QUEUE
from songlens_batch.jobs.reclaiming import ReclaimingQueue
from songlens_batch.jobs.rq_log import pass_on_rq_lines
from songlens_batch.jobs.worker import STOPS, JobWorker
from songlens_shared.address import safe_url, url_errors
from songlens_workers.runtime.health import Pulse
from songlens_workers.settings import JobsSettings

_STUCK_S = 60.0
_log = structlog.get_logger()


class JobPool(WorkerPool):
    """RQ's pool, which tells how its loop and its processes are, and stops also those that are just being started."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pulse = Pulse(_STUCK_S)
        self._told: set[str] = set()
        """Names of processes that were told to stop. The second time would end their jobs."""

    def start_worker(self, *args: Any, **kwargs: Any) -> None:
        """Fork a process. It inherits our handlers, which would swallow a signal: signals wait until it has its own."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            super().start_worker(*args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def stop_worker(self, worker_data: WorkerData, sig: signal.Signals = signal.SIGINT) -> None:
        """Tell a process to stop."""
        self._told.add(worker_data.name)
        super().stop_worker(worker_data, sig)

    def reap_workers(self) -> None:
        """Remove processes that have ended; RQ's loop calls this about every second, also while it stops."""
        super().reap_workers()  # type: ignore[no-untyped-call]
        self.pulse.beat("pool")
        if self.status == self.Status.STOPPED:
            self._stop_the_latest()

    def _stop_the_latest(self) -> None:
        """Tell the process that was being started when we were told."""
        for data in list(self.worker_dict.values()):
            if data.name not in self._told:
                self.stop_worker(data)

    def living(self) -> int:
        """Return how many processes are alive. For other threads as well."""
        return sum(data.process.is_alive() for data in list(self.worker_dict.values()))


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
