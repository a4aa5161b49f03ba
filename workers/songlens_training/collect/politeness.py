"""Turns: how many requests a host gets at once, how far apart, and when it is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from songlens_shared.errors import ConfigError
from songlens_training.collect.retry import Clock


@dataclass(frozen=True, kw_only=True)
class Politeness:
    """Raises `ConfigError` for values out of range."""

    per_host: int = 2
    """Requests to one host at the same time."""
    interval_s: float = 0.2
    """At least so long from the start of one request to a host to the start of the next."""
    connections: int = 16
    """Requests at the same time in all."""
    failures: int = 8
    """After so many images in a row that a host could not deliver, it gets no more requests in this run."""

    def __post_init__(self) -> None:
        if min(self.per_host, self.connections, self.failures) < 1 or self.interval_s < 0:
            raise ConfigError("Requests at the same time must be 1 or more, and the interval 0 seconds or more.")


@dataclass
class _Host:
    running: asyncio.Semaphore
    interval_s: float
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)
    ready_s: float = 0.0
    failures: int = 0


class Hosts:
    """Gives turns to requests, host by host. Belongs to one event loop."""

    def __init__(self, politeness: Politeness, clock: Clock) -> None:
        self._politeness = politeness
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._connections = asyncio.Semaphore(politeness.connections)

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait until the host may be asked, and hold its turn for as long as the block runs."""
        known = self._host(host)
        async with known.running:
            await self._wait(known)
            # Taken last: requests that wait for a slow host must not keep the others from theirs.
            async with self._connections:
                yield

    async def _wait(self, host: _Host) -> None:
        async with host.queue:
            while (wait_s := host.ready_s - self._clock.monotonic_s()) > 0:
                await self._clock.sleep(wait_s)
            host.ready_s = self._clock.monotonic_s() + host.interval_s

    def pause(self, host: str, seconds: float) -> None:
        """Start no request to the host for so long."""
        known = self._host(host)
        known.ready_s = max(known.ready_s, self._clock.monotonic_s() + seconds)

    def slow_down(self, host: str, interval_s: float) -> None:
        """Keep requests to the host at least so far apart from now on."""
        known = self._host(host)
        known.interval_s = max(known.interval_s, interval_s)

    def delivered(self, host: str) -> None:
        """Note that the host has answered."""
        self._host(host).failures = 0

    def failed(self, host: str) -> None:
        """Note that the host could not deliver, after all attempts."""
        self._host(host).failures += 1

    def given_up(self, host: str) -> bool:
        """Tell whether the host has failed so often that it is left alone."""
        return self._host(host).failures >= self._politeness.failures

    def _host(self, host: str) -> _Host:
        if host not in self._hosts:
            running = asyncio.Semaphore(self._politeness.per_host)
            self._hosts[host] = _Host(running=running, interval_s=self._politeness.interval_s)
        return self._hosts[host]
