"""The exporter as a process."""

from __future__ import annotations

import threading

import structlog
from prometheus_client import CollectorRegistry

from songlens_shared.address import safe_url
from songlens_shared.broker import broker_errors
from songlens_workers.exporter.collector import QueueCollector
from songlens_workers.exporter.queue_redis import QueueRedis
from songlens_workers.runtime.health import HealthServer, Pulse
from songlens_workers.runtime.metrics import show_process
from songlens_workers.runtime.service import obeying_signals
from songlens_workers.settings import MetricsSettings

_PULSE = "exporter"
_BEAT_EVERY_S = 1.0
_STUCK_S = 30.0
_log = structlog.get_logger()


def run(settings: MetricsSettings) -> None:
    """Serve until SIGTERM or SIGINT, also while Redis is away.

    Raises `BrokerError` for a Redis that refuses us, `ConfigError` for a port.
    """
    stopped = threading.Event()
    queue = QueueRedis(settings.redis_url, settings.partitions)
    with obeying_signals(stopped.set), broker_errors(settings.redis_url):
        queue.try_to_open()
        pulse, registry = Pulse(_STUCK_S), CollectorRegistry()
        show_process(registry)
        registry.register(QueueCollector(queue.look))
        server = HealthServer(
            settings.metrics_host, settings.metrics_port, pulse=pulse, ready=queue.faults, registry=registry
        )
        server.start()
        _log.info("metrics_served", host=settings.metrics_host, port=server.port, redis=safe_url(settings.redis_url))
        while not stopped.wait(_BEAT_EVERY_S):
            pulse.beat(_PULSE)
        server.stop()
        queue.close()
