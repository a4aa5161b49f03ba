"""/metrics, /live and /ready of a job worker, served by its parent process, which runs no job itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis
import structlog
from prometheus_client import CollectorRegistry

from songlens_batch.metrics import BatchCollector, Looking
from songlens_shared.address import safe_url
from songlens_shared.broker import WATCH_TIMEOUT_S, connect
from songlens_workers.runtime.health import HealthServer, Pulse
from songlens_workers.runtime.metrics import show_process
from songlens_workers.settings import JobsSettings

_log = structlog.get_logger()


@contextmanager
def serving_health(
    settings: JobsSettings, registry: CollectorRegistry, pulse: Pulse, living: Callable[[], int]
) -> Iterator[None]:
    """Serve while the block runs, where a port is set; `living` says how many job processes are alive.

    The batches' metrics are put into `registry`. Raises `ConfigError` where the port is taken.
    """
    if settings.metrics_port is None:
        yield
        return
    with connect(settings.jobs_url, retries=0, timeout_s=WATCH_TIMEOUT_S) as connection:
        show_process(registry)
        registry.register(BatchCollector(Looking(connection)))
        health = HealthServer(
            settings.metrics_host,
            settings.metrics_port,
            pulse=pulse,
            ready=lambda: _faults(settings, living(), connection),
            registry=registry,
        )
        # The pool forks: a job process that outlives it must not hold its port.
        os.register_at_fork(after_in_child=health.abandon)
        health.start()
        _log.info("health_served", stage="jobs", host=settings.metrics_host, port=health.port)
        try:
            yield
        finally:
            health.stop()


def _faults(settings: JobsSettings, living: int, connection: redis.Redis) -> list[str]:
    faults = [] if living else ["no job process is alive"]
    try:
        connection.ping()
    except redis.RedisError as error:
        faults.append(f"the Redis of the jobs, {safe_url(settings.jobs_url)}, does not answer: {error}")
    return faults
