"""What the exporter makes of what the server tells: ages, lag where it is unknown, one gauge for each stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry

from songlens_workers.exporter.backlog import Backlogs, Place, places
from songlens_workers.exporter.collector import QueueCollector, QueueLook

PLACE = Place(0, "bulk", "s", "vision")


class Server:
    """Tells what is set."""

    def __init__(self) -> None:
        self.depth = 0
        self.group: dict[str, Any] = {"name": b"vision", "pending": 0, "lag": 0, "last-delivered-id": b"0-0"}
        self.first_pending: bytes | None = None
        self.away = False

    def xlen(self, stream: str) -> int:
        if self.away:
            raise redis.ConnectionError
        return self.depth

    def xinfo_groups(self, stream: str) -> list[dict[str, Any]]:
        return [self.group]

    def xpending(self, stream: str, group: str) -> dict[str, Any]:
        return {"min": self.first_pending}

    def get(self, key: str) -> bytes | None:
        return {"bytes": b"12", "trimmed": b"3"}.get(key.rpartition(":")[2], b"v7")

    def info(self) -> dict[str, Any]:
        return {"used_memory": 100, "maxmemory": 400, "aof_last_write_status": "err"}


@pytest.fixture
def server() -> Server:
    return Server()


def looks(server: Server, *now_ms: float) -> Iterator[Any]:
    times = iter(now_ms)
    look = Backlogs(server, [PLACE], lambda: next(times))  # type: ignore[arg-type]
    for _ in now_ms:
        yield look()[0]


def test_an_empty_stream(server: Server) -> None:
    """Nothing of nothing; nothing more is asked."""
    (found,) = looks(server, 1000)
    assert (found.depth, found.size_bytes, found.pending, found.lag, found.oldest_s) == (0, 0, 0, 0, 0)


def test_the_oldest_that_a_worker_holds(server: Server) -> None:
    """Its age is that of its entry id."""
    server.depth, server.group["pending"], server.first_pending = 3, 3, b"4000-0"
    (found,) = looks(server, 10_000)
    assert (found.depth, found.pending, found.lag, found.oldest_s, found.size_bytes) == (3, 3, 0, 6.0, 12)


def test_the_oldest_that_nobody_has_claimed(server: Server) -> None:
    """A quiet queue's new entry is not as old as the last one of yesterday; a backlog is as old as what came last."""
    server.depth, server.group["lag"], server.group["last-delivered-id"] = 5, 5, b"1000-0"
    seen = looks(server, 100_000, 103_000, 104_000, 110_000)
    assert next(seen).oldest_s == 0
    assert next(seen).oldest_s == 3
    server.group["last-delivered-id"] = b"103500-0"
    assert next(seen).oldest_s == 0.5
    server.group["lag"] = 0
    server.depth = 0
    assert next(seen).oldest_s == 0


def test_lag_that_the_server_does_not_know(server: Server) -> None:
    """After entries were deleted before anyone had them: what is there and in nobody's hands."""
    server.depth, server.group["pending"], server.group["lag"], server.first_pending = 9, 4, None, b"1-0"
    (found,) = looks(server, 1000)
    assert found.lag == 5


def test_every_stream_of_every_partition() -> None:
    """Two lanes and the hits of each."""
    assert [(place.partition, place.lane) for place in places(2)] == [
        (partition, lane) for partition in (0, 1) for lane in ("interactive", "bulk", "hits")
    ]


def collected(server: Server, partitions: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    backlogs = Backlogs(server, places(partitions), lambda: 0.0)  # type: ignore[arg-type]
    look = QueueLook(server, backlogs, partitions)  # type: ignore[arg-type]
    registry.register(QueueCollector(lambda: look))
    return registry


def test_labels_are_lanes_and_partitions(server: Server) -> None:
    """Their number is bounded by how many partitions there are, whatever goes through the queue."""
    registry = collected(server, 2)
    samples = [sample for family in registry.collect() for sample in family.samples]
    assert len(samples) <= 5 * 3 * 2 + 16
    assert {name for sample in samples for name in sample.labels} == {"lane", "partition", "model"}
    assert registry.get_sample_value("songlens_model_live_info", {"model": "v7"}) == 1
    assert registry.get_sample_value("songlens_replies_trimmed_total") == 2 * 3
    assert registry.get_sample_value("songlens_redis_memory_limit_bytes") == 400
    assert registry.get_sample_value("songlens_redis_persistence_ok") == 0


def test_a_server_that_is_away(server: Server) -> None:
    """One metric says so, and no other tells what was."""
    server.away = True
    families = list(collected(server, 1).collect())
    assert [(family.name, family.samples[0].value) for family in families] == [("songlens_redis_up", 0)]
