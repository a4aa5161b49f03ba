"""A stage as a process: server checked, health and metrics served, signals obeyed, model followed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn, TypeVar

import redis
import structlog
from prometheus_client import CollectorRegistry

from songlens_shared.broker import broker_errors, open_redis
from songlens_shared.cluster import RedisFault
from songlens_shared.server import load_functions, server_info
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.claims import Claims, Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.garbage import rare_collections
from songlens_workers.runtime.health import HealthServer, Pulse
from songlens_workers.runtime.metrics import StageMetrics, show_process
from songlens_workers.runtime.patience import will_pass
from songlens_workers.runtime.report import Reporting
from songlens_workers.runtime.stage import Stage
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.runtime.watches import MOST
from songlens_workers.runtime.worker import StageWorker
from songlens_workers.settings import StageSettings

P = TypeVar("P")
M = TypeVar("M")

_AWAIT_EVERY_S = 0.5
_log = structlog.get_logger()


@contextmanager
def starting_up(settings: StageSettings) -> Iterator[None]:
    """What every worker process runs in: until `serve` takes over, a signal ends it at once, for nothing is held yet.

    Raises `BrokerUnavailable`, with what to do, for a server that cannot be reached or refuses us.
    """

    def leave() -> NoReturn:
        raise SystemExit(0)

    with obeying_signals(leave, drain=leave), broker_errors(settings.redis_url):
        yield


def open_server(settings: StageSettings) -> redis.Redis:
    """Connect, check the server and load the functions library, waiting `start_wait_s` for one that is still starting.

    Raises `BrokerUnsuitable`, or the client's error when the wait was in vain.
    """
    until_s = time.monotonic() + settings.start_wait_s
    awaited = False
    while True:
        try:
            return _opened(settings)
        except RedisFault as error:
            refused = isinstance(error, redis.AuthenticationError) or not will_pass(error)
            if refused or time.monotonic() >= until_s:
                raise
            if not awaited:
                _log.warning("redis_awaited", error=type(error).__name__, start_wait_s=settings.start_wait_s)
                awaited = True
            time.sleep(_AWAIT_EVERY_S)


def _opened(settings: StageSettings) -> redis.Redis:
    # One connection for each thread, and some to spare.
    threads = settings.prepare_threads + min(settings.partitions, MOST)
    connection = open_redis(settings.redis_url, max_connections=threads + 8)
    try:
        _log.info("redis_found", server=str(server_info(connection)))
        load_functions(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def serve(
    stage: Stage[P],
    settings: StageSettings,
    *,
    connection: redis.Redis,
    inlets: Sequence[Inlet],
    group: str,
    live: LiveModel[M],
    clock: ServerClock,
    metrics: StageMetrics,
    registry: CollectorRegistry,
    tracing: Tracing,
) -> None:
    """Run a stage until SIGTERM or SIGINT, then drain; SIGUSR1 drains and stays. Raises what ends it before that.

    `registry` is what /metrics shows, with `metrics` and the stage's own in it. `tracing` is closed in the end.
    """
    show_process(registry)
    pulse = Pulse(settings.stuck_s)
    worker = StageWorker(
        stage,
        settings,
        connection=connection,
        claims=Claims(connection, inlets=inlets, group=group, consumer=settings.consumer),
        clock=clock,
        metrics=metrics,
        pulse=pulse,
        tracing=tracing,
    )
    with ExitStack() as stack:
        stack.callback(tracing.close)
        if settings.metrics_port is not None:
            health = HealthServer(
                settings.metrics_host,
                settings.metrics_port,
                pulse=pulse,
                ready=lambda: stage.ready() + worker.faults(),
                registry=registry,
            )
            health.start()
            stack.callback(health.stop)
            _log.info("health_served", stage=stage.name, host=settings.metrics_host, port=health.port)
        reporting = Reporting(connection, registry, stage=stage.name, consumer=settings.consumer)
        stack.callback(reporting.end)
        live.poll_also(lambda: reporting.tell(live.version))
        live.start()
        stack.callback(live.stop)
        with obeying_signals(worker.stop, drain=worker.drain), rare_collections():
            worker.run()


@contextmanager
def obeying_signals(stop: Callable[[], None], *, drain: Callable[[], None] | None = None) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT, `drain` on SIGUSR1. For the main thread, as Python has it."""
    calls = {signal.SIGTERM: stop, signal.SIGINT: stop} | ({signal.SIGUSR1: drain} if drain else {})
    before = {number: signal.signal(number, _calling(call)) for number, call in calls.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _calling(call: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    return lambda number, frame: call()
