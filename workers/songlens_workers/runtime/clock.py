"""Redis server time, so that deadlines do not depend on anybody else's clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis


class ServerClock:
    """Follows the server's clock by an offset to our monotonic one, renewed by `sync`."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset_s = time.time() - monotonic()

    def sync(self, connection: redis.Redis) -> None:
        """Ask the server for its time; half of the round trip is taken for the way."""
        before = self._monotonic()
        seconds, micros = connection.time()
        after = self._monotonic()
        self._offset_s = seconds + micros / 1e6 - (before + after) / 2

    def now_ms(self) -> int:
        """Return the server's time in milliseconds since the epoch."""
        return round((self._monotonic() + self._offset_s) * 1000)

    def monotonic_of(self, server_ms: int) -> float:
        """Return a server time on our monotonic clock, in seconds."""
        return server_ms / 1000 - self._offset_s
