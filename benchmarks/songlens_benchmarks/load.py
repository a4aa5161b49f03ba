"""Load on a system: so many requests in flight all the time, or arriving at times of their own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from songlens_benchmarks.percentiles import percentile

Call = Callable[[int], Awaitable[None]]
"""Makes the request of this number, and raises where its answer is missing or wrong."""

_WARM_UP = 0.15
"""Share of the time in which nothing is counted."""


@dataclass(frozen=True)
class Served:
    """What became of a load. Every request was answered, or it would have been raised."""

    seconds: float
    """That requests were counted in."""

    latencies_ms: list[float] = field(repr=False)
    """Of each request that was answered meanwhile."""

    requests: int
    """All of them, also those that were not counted."""

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return len(self.latencies_ms) / self.seconds

    def latency_ms(self, share: float) -> float:
        """Return a percentile of the latencies."""
        return percentile(self.latencies_ms, share)


async def closed_loop(call: Call, *, in_flight: int, seconds: float) -> Served:
    """Keep so many requests in flight for so long."""
    started_s = time.perf_counter()
    counted_s, until_s = started_s + seconds * _WARM_UP, started_s + seconds
    latencies_ms: list[float] = []
    numbers = iter(range(1 << 62))
    requests = 0

    async def one_after_the_other() -> None:
        nonlocal requests
        while (sent_s := time.perf_counter()) < until_s:
            requests += 1
            await call(next(numbers))
            answered_s = time.perf_counter()
            if counted_s <= answered_s < until_s:
                latencies_ms.append((answered_s - sent_s) * 1000)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(one_after_the_other())
    return Served(until_s - counted_s, latencies_ms, requests)


async def all_of(call: Call, *, requests: int, in_flight: int) -> Served:
    """Send so many requests, so many at a time, and count all of them, from the first being sent to the last answer."""
    latencies_ms: list[float] = []
    numbers = iter(range(requests))
    started_s = time.perf_counter()

    async def one_after_the_other() -> None:
        for number in numbers:
            sent_s = time.perf_counter()
            await call(number)
            latencies_ms.append((time.perf_counter() - sent_s) * 1000)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(one_after_the_other())
    return Served(time.perf_counter() - started_s, latencies_ms, requests)


async def open_loop(call: Call, *, per_s: float, seconds: float, seed: int = 1) -> Served:
    """Send requests at random times, so many a second on average, whether or not those before are answered.

    A latency counts from the time at which its request was due, so that a system that holds the load up gains nothing.
    """
    latencies_ms: list[float] = []
    started_s = time.perf_counter()

    async def one(number: int, due_s: float) -> None:
        await call(number)
        if due_s >= seconds * _WARM_UP:
            latencies_ms.append((time.perf_counter() - started_s - due_s) * 1000)

    requests = 0
    async with asyncio.TaskGroup() as tasks:
        for number, due_s in enumerate(_arrivals(per_s, seconds, seed)):
            await asyncio.sleep(max(0.0, started_s + due_s - time.perf_counter()))
            tasks.create_task(one(number, due_s))
            requests += 1
    return Served(seconds * (1 - _WARM_UP), latencies_ms, requests)


def _arrivals(per_s: float, seconds: float, seed: int) -> Iterator[float]:
    """Yield the times of a Poisson process."""
    dice, at_s = random.Random(seed), 0.0
    while (at_s := at_s + dice.expovariate(per_s)) < seconds:
        yield at_s
