"""Renews what is in flight, apart from intake and batches: a long forward pass must not look like death.

Now and then it also asks for the server's time, and deletes the dead letters that are past theirs: the next one, which
would do the same, may never come.

A worker that is stuck renews nothing: what it holds is better off with another.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import redis
import structlog

from songlens_shared.cluster import RedisFault
from songlens_workers.dead_letters import DeadLetters
from songlens_workers.runtime.claims import Claims
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.in_flight import InFlight
from songlens_workers.settings import StageSettings

_SYNC_EVERY_S = 30.0
_log = structlog.get_logger()


class Keeper:
    """`round` is called every heartbeat by one thread."""

    def __init__(
        self,
        connection: redis.Redis,
        settings: StageSettings,
        *,
        claims: Claims,
        clock: ServerClock,
        in_flight: InFlight,
        stuck: Callable[[], bool],
    ) -> None:
        self._redis = connection
        self._settings = settings
        self._claims = claims
        self._clock = clock
        self._in_flight = in_flight
        self._dead = DeadLetters(connection, partitions=settings.partitions)
        self._stuck = stuck
        self._synced_s = time.monotonic()

    def round(self) -> None:
        """Renew every entry held. A server that is away is left to intake and outbox to outlast and report."""
        try:
            if not self._stuck():
                self._claims.renew(self._in_flight.held)
            if time.monotonic() - self._synced_s >= _SYNC_EVERY_S:
                self._clock.sync(self._redis)
                self._dead.trim(self._clock.now_ms() - self._settings.dead_ttl_s * 1000)
                self._synced_s = time.monotonic()
        except RedisFault as error:
            _log.debug("heartbeat_missed", error=type(error).__name__)
