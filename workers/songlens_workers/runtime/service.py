"""A stage as a process: health and metrics served, signals obeyed, model followed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TypeVar

import redis
import structlog
from prometheus_client import CollectorRegistry

from songlens_shared.broker import broker_errors, load_functions, server_info
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.claims import Claims, Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.health import HealthServer, Pulse
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.stage import Stage
from songlens_workers.runtime.worker import StageWorker
from songlens_workers.settings import StageSettings

P = TypeVar("P")
M = TypeVar("M")

_log = structlog.get_logger()


def prepare_server(connection: redis.Redis, settings: StageSettings, *, wait_s: float = 30.0) -> None:
    """Check the server and load the functions library, waiting a while for a server that is still starting.

    Raises `BrokerUnavailable` or `BrokerUnsuitable`.
    """
    until_s = time.monotonic() + wait_s
    with broker_errors(settings.redis_url):
        while True:
            try:
                _log.info("redis_found", server=str(server_info(connection)))
                load_functions(connection)
                return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if time.monotonic() >= until_s or isinstance(error, redis.AuthenticationError):
                    raise
                time.sleep(0.5)


def serve(
    stage: Stage[P],
    settings: StageSettings,
    *,
    connection: redis.Redis,
    inlets: Sequence[Inlet],
    group: str,
    live: LiveModel[M],
    clock: ServerClock,
) -> None:
    """Run a stage until SIGTERM or SIGINT, then drain."""
    registry = CollectorRegistry()
    pulse = Pulse(settings.stuck_s)
    worker = StageWorker(
        stage,
        settings,
        connection=connection,
        claims=Claims(connection, inlets=inlets, group=group, consumer=settings.consumer),
        clock=clock,
        metrics=StageMetrics(registry, stage.name),
        pulse=pulse,
    )
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            health = HealthServer(
                settings.metrics_host, settings.metrics_port, pulse=pulse, ready=stage.ready, registry=registry
            )
            health.start()
            stack.callback(health.stop)
            _log.info("health_served", stage=stage.name, host=settings.metrics_host, port=health.port)
        live.start()
        stack.callback(live.stop)
        with _obeying_signals(worker):
            worker.run()


@contextmanager
def _obeying_signals(worker: StageWorker[P]) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        worker.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
