"""Turns at a host, back-off, and Retry-After."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from manual_clock import ManualClock

from songlens_shared.errors import ConfigError
from songlens_training.collect.politeness import Hosts, Politeness
from songlens_training.collect.retry import RetryPolicy, retry_after_s


async def test_requests_to_a_host_start_apart() -> None:
    """The interval lies between the starts of requests to one host, and another host does not wait for it."""
    clock = ManualClock()
    hosts = Hosts(Politeness(interval_s=5.0, per_host=3), clock)
    started: dict[str, list[float]] = {"a": [], "b": []}

    async def ask(host: str) -> None:
        async with hosts.turn(host):
            started[host].append(clock.now_s)

    await asyncio.gather(*map(ask, ["a", "a", "a"]))
    assert started["a"] == [1000.0, 1005.0, 1010.0]
    await ask("b")
    assert started["b"] == [1010.0]


async def test_a_host_gets_few_requests_at_once() -> None:
    """At most `per_host` requests to one host run at the same time, at most `connections` in all."""
    clock = ManualClock()
    hosts = Hosts(Politeness(interval_s=0.0, per_host=2, connections=3), clock)
    running: list[str] = []
    most = {"a": 0, "b": 0, "all": 0}

    async def ask(host: str) -> None:
        async with hosts.turn(host):
            running.append(host)
            most[host] = max(most[host], running.count(host))
            most["all"] = max(most["all"], len(running))
            for _ in range(5):
                await asyncio.sleep(0)
            running.remove(host)

    await asyncio.gather(*map(ask, "abababababab"))
    assert most == {"a": 2, "b": 2, "all": 3}


async def test_a_waiting_host_keeps_no_connection_from_others() -> None:
    """Requests that wait for a paused host do not use up the connections."""
    clock = ManualClock()
    blocked = asyncio.Event()

    class Blocking(ManualClock):
        async def sleep(self, seconds: float) -> None:
            await blocked.wait()
            await clock.sleep(seconds)

        def monotonic_s(self) -> float:
            return clock.now_s

    hosts = Hosts(Politeness(interval_s=0.0, per_host=4, connections=1), Blocking())
    hosts.pause("slow", 60.0)

    async def ask(host: str) -> None:
        async with hosts.turn(host):
            pass

    waiting = asyncio.gather(*map(ask, ["slow"] * 4))
    await asyncio.wait_for(ask("quick"), 5)
    assert not waiting.done()
    blocked.set()
    await waiting
    assert clock.now_s >= 1060.0


async def test_a_longer_interval_stays() -> None:
    """A crawl delay slows a host down; a shorter one afterwards does not speed it up."""
    clock = ManualClock()
    hosts = Hosts(Politeness(interval_s=1.0), clock)
    hosts.slow_down("a", 7.0)
    hosts.slow_down("a", 2.0)
    for _ in range(2):
        async with hosts.turn("a"):
            pass
    assert clock.slept_s == [7.0]


async def test_a_failing_host_is_given_up() -> None:
    """So many failures in a row end a host for this run; one success starts the count anew."""
    hosts = Hosts(Politeness(failures=2), ManualClock())
    hosts.failed("a")
    hosts.delivered("a")
    hosts.failed("a")
    assert not hosts.given_up("a")
    hosts.failed("a")
    assert hosts.given_up("a")
    assert not hosts.given_up("b")


def test_back_off_doubles_with_jitter_up_to_a_limit() -> None:
    """The wait doubles from attempt to attempt, is scattered over its upper half, and stays under the limit."""
    policy = RetryPolicy(first_delay_s=1.0, max_delay_s=5.0)
    assert [policy.delay_s(failures, 0.0) for failures in (1, 2, 3, 4, 2000)] == [0.5, 1.0, 2.0, 2.5, 2.5]
    assert policy.delay_s(3, 0.5) == 3.0
    assert policy.delay_s(3, 0.999) < 4.0


def test_retry_after() -> None:
    """Both forms of Retry-After are read; a date gone by is no wait, nonsense is no request to wait."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after_s("120", now.timestamp()) == 120.0
    assert retry_after_s(format_datetime(now + timedelta(seconds=90), usegmt=True), now.timestamp()) == 90.0
    assert retry_after_s(format_datetime(now - timedelta(days=1), usegmt=True), now.timestamp()) == 0.0
    for nonsense in (None, "", "soon", "-5", "1.5", "٣", "9" * 400 + "x"):
        assert retry_after_s(nonsense, now.timestamp()) is None


@pytest.mark.parametrize("values", [{"per_host": 0}, {"interval_s": -1}, {"connections": 0}, {"failures": 0}])
def test_politeness_out_of_range(values: dict[str, int]) -> None:
    """Values that make no sense are a ConfigError."""
    with pytest.raises(ConfigError):
        Politeness(**values)
