"""The Redis that the exporter watches: also where it is away when the exporter starts."""

from __future__ import annotations

import threading

import redis
import structlog

from songlens_shared.address import safe_url
from songlens_shared.broker import WATCH_TIMEOUT_S, open_redis
from songlens_shared.cluster import RedisFault, nodes
from songlens_workers.exporter.backlog import Backlogs, places
from songlens_workers.exporter.collector import QueueLook
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.patience import named, will_pass

_log = structlog.get_logger()


class QueueRedis:
    """Opened as soon as it answers. Any thread may look."""

    def __init__(self, url: str, partitions: int) -> None:
        self._url = url
        self._partitions = partitions
        self._look: QueueLook | None = None
        self._opening = threading.Lock()

    def try_to_open(self) -> None:
        """Open it, if it answers; raises what redis-py raises for one that refuses us, and always will."""
        try:
            self.look()
        except RedisFault as error:
            if isinstance(error, redis.AuthenticationError) or not will_pass(error):
                raise
            _log.warning("redis_awaited", error=type(error).__name__)

    def look(self) -> QueueLook:
        """Return what tells of the queue; raises what redis-py raises where nobody answers."""
        with self._opening:
            if self._look is None:
                connection = open_redis(self._url, retries=0, timeout_s=WATCH_TIMEOUT_S)
                self._look = _look(connection, self._partitions)
            return self._look

    def faults(self) -> list[str]:
        """Return that it does not answer; nothing where it does."""
        try:
            for node in nodes(self.look().connection):
                node.ping()
        except RedisFault as error:
            return [f"{safe_url(self._url)} does not answer: {named(error)}"]
        return []

    def close(self) -> None:
        """Close the connection."""
        if self._look is not None:
            self._look.connection.close()


def _look(connection: redis.Redis, partitions: int) -> QueueLook:
    clock = ServerClock()

    def now_ms() -> float:
        clock.sync(connection)
        return float(clock.now_ms())

    return QueueLook(connection, Backlogs(connection, places(partitions), now_ms), partitions)
