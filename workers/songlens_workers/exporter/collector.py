"""The metrics of the queue and of its server. No id is a label: streams go by lane and partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from songlens_shared.cluster import RedisFault, nodes
from songlens_shared.keys import MODEL_CURRENT, PartitionKeys
from songlens_workers.exporter.backlog import Backlog

_UP = "songlens_redis_up"
_log = structlog.get_logger()

_QUEUE: dict[str, tuple[str, Callable[[Backlog], float]]] = {
    "songlens_queue_depth": ("Entries that wait or are in flight.", lambda found: found.depth),
    "songlens_queue_bytes": ("Payload bytes that wait or are in flight.", lambda found: found.size_bytes),
    "songlens_queue_pending": ("Entries that a worker holds.", lambda found: found.pending),
    "songlens_queue_lag": ("Entries that no worker has claimed.", lambda found: found.lag),
    "songlens_queue_oldest_seconds": ("Age of the oldest entry.", lambda found: found.oldest_s),
}

_PERSISTENCE = ("aof_last_write_status", "rdb_last_bgsave_status")
"""What says `ok` as long as the server can write to its disk."""

_SERVER = {
    "songlens_redis_memory_bytes": ("used_memory", "Memory in use, summed over primaries."),
    "songlens_redis_memory_limit_bytes": ("maxmemory", "Memory that may be used, summed over primaries; 0: no limit."),
    "songlens_redis_clients": ("connected_clients", "Connections."),
    "songlens_redis_commands_per_second": ("instantaneous_ops_per_sec", "Commands a second, as the servers tell."),
    "songlens_redis_evicted_keys": ("evicted_keys", "Keys that were thrown away for want of memory; must stay 0."),
    "songlens_redis_input_kilobytes_per_second": ("instantaneous_input_kbps", "Kilobytes read a second."),
    "songlens_redis_output_kilobytes_per_second": ("instantaneous_output_kbps", "Kilobytes written a second."),
}


@dataclass(frozen=True)
class QueueLook:
    """What a scrape asks for."""

    connection: redis.Redis
    backlogs: Callable[[], list[Backlog]]
    partitions: int

    def dead(self) -> int:
        """Return how many dead letters are kept."""
        return sum(int(self.connection.xlen(PartitionKeys(number).dead)) for number in range(self.partitions))

    def trimmed(self) -> int:
        """Return how many replies full channels have lost before their time."""
        return sum(int(self.connection.get(PartitionKeys(n).trimmed) or 0) for n in range(self.partitions))

    def model(self) -> str | None:
        """Return the live version."""
        found = self.connection.get(MODEL_CURRENT)
        return found.decode() if isinstance(found, bytes) else None

    def servers(self) -> list[dict[str, Any]]:
        """Return what each server that holds data tells of itself."""
        return [dict(node.info()) for node in nodes(self.connection)]


class QueueCollector(Collector):
    """Looks whenever it is asked; where Redis is away it says so by `songlens_redis_up` alone."""

    def __init__(self, look: Callable[[], QueueLook]) -> None:
        """`look` may open the connection, and raise what redis-py raises where nobody answers."""
        self._look = look

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        try:
            return [_single(_UP, "Whether the Redis of the queue answers.", 1), *self._found()]
        except RedisFault as error:
            _log.warning("queue_not_read", error=type(error).__name__)
            return [_single(_UP, "Whether the Redis of the queue answers.", 0)]

    def _found(self) -> Iterator[Metric]:
        look = self._look()
        yield from _queue(look.backlogs())
        yield _single("songlens_dead_letters", "Dead letters that are kept.", look.dead())
        yield CounterMetricFamily(
            "songlens_replies_trimmed",
            "Replies that full reply channels lost before their time: whoever reads them is that far behind.",
            value=look.trimmed(),
        )
        yield _model(look.model())
        yield from _servers(look.servers())


def _queue(found: list[Backlog]) -> Iterator[Metric]:
    for name, (what, value) in _QUEUE.items():
        metric = GaugeMetricFamily(name, what, labels=["lane", "partition"])
        for backlog in found:
            metric.add_metric([backlog.place.lane, str(backlog.place.partition)], value(backlog))
        yield metric


def _model(version: str | None) -> Metric:
    metric = GaugeMetricFamily("songlens_model_live_info", "The model version that is live.", labels=["model"])
    if version is not None:
        metric.add_metric([version], 1)
    return metric


def _servers(found: list[dict[str, Any]]) -> Iterator[Metric]:
    written = all(server.get(field, "ok") == "ok" for server in found for field in _PERSISTENCE)
    yield _single("songlens_redis_persistence_ok", "Whether every server could last write to its disk.", written)
    for name, (field, what) in _SERVER.items():
        yield _single(name, what, sum(float(server.get(field, 0)) for server in found))


def _single(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)
