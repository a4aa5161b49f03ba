"""The process that takes jobs one by one: RQ's worker, which neither dies nor stops with a job in its hands unseen."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import redis
import rq
import structlog
from rq import Queue
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.worker import WorkerStatus

from songlens_batch.jobs.reclaiming import takeover_s
from songlens_batch.state.durations import JobDurations, kind_of

_MONITORING_S = 5
_LOOK_EVERY_S = 1
_AWAY = (redis.ConnectionError, redis.TimeoutError)

STOPS = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask a worker to stop. The pool forks it with both blocked, until it has handlers of its own."""

_log = structlog.get_logger()


class JobWorker(rq.Worker):
    """An RQ worker whose jobs are given to others soon after it has died, instead of within a quarter of an hour.

    Told to stop, it does the job that it has taken. RQ's own drops all where a signal finds it without a job: one that
    the server has given to it a moment ago would lie there until a living worker takes it over.
    """

    max_connection_wait_time = 5.0
    """Seconds between two looks for a Redis that is away, and so until a stop is heard meanwhile."""

    pool_pid = 0
    """Noted by the pool before it forks: asked later, our parent may be another already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._takeover_s = takeover_s()
        kwargs["job_monitoring_interval"] = min(_MONITORING_S, self._takeover_s // 2)
        kwargs["maintenance_interval"] = self._takeover_s
        super().__init__(*args, **kwargs)

    @property
    def dequeue_timeout(self) -> int:
        """Seconds after which a silent server is one that is away, with RQ's ten on top."""
        return self._takeover_s

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Run jobs, as RQ does, until told to stop, or until the pool is no more: nobody would ever tell us.

        RQ's scheduler, a process for jobs that are due later, is not started: there are none.
        """
        self._install_signal_handlers()  # type: ignore[no-untyped-call]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        threading.Thread(target=_stop_with, args=(self.pool_pid,), daemon=True).start()
        return bool(super().work(*args, **{**kwargs, "with_scheduler": False}))

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Take a job; wait for one unless `timeout` is None. Returns None where we are to stop, or need not wait."""
        while True:
            taken = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time=_LOOK_EVERY_S)
            if taken or timeout is None or self._stop_requested:
                return taken

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """Say that we are alive; raises `StopRequested` where the server is away, and we wait for it only to stop."""
        try:
            super().heartbeat(*args, **kwargs)
        except _AWAY:
            if self._stop_requested and self.get_state() != WorkerStatus.BUSY:
                raise StopRequested from None
            raise

    def _shutdown(self) -> None:
        """Note a stop, for the loop to see: nothing is broken off."""
        if self.get_state() == WorkerStatus.BUSY:
            super()._shutdown()  # type: ignore[no-untyped-call]
        self._stop_requested = True

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


def _stop_with(pool: int) -> None:
    """Ask ourselves to stop once another process than the pool is our parent."""
    while os.getppid() == pool:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
