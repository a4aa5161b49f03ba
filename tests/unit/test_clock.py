"""Redis server time on our monotonic clock."""

from __future__ import annotations

import time

import pytest
import redis

from songlens_workers.runtime.clock import ServerClock


class Monotonic:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


class Server(redis.Redis):
    """A server whose clock is an hour ahead, and whose answers take a second each way."""

    def __init__(self, monotonic: Monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic

    def time(self, **kwargs: object) -> tuple[int, int]:
        self._monotonic.now_s += 2
        return 3600, 250_000


def test_half_of_the_round_trip_is_the_way() -> None:
    """After sync the server's time is right, though it was read in the middle of a long round trip."""
    monotonic = Monotonic()
    clock = ServerClock(monotonic)
    clock.sync(Server(monotonic))
    assert clock.now_ms() == 3_601_250  # a second after the server looked
    monotonic.now_s += 1.5
    assert clock.now_ms() == 3_602_750


def test_server_times_and_monotonic_times_agree() -> None:
    """A server time is as far from now on one clock as on the other."""
    monotonic = Monotonic()
    clock = ServerClock(monotonic)
    clock.sync(Server(monotonic))
    assert clock.monotonic_of(clock.now_ms() + 700) - monotonic() == pytest.approx(0.7)


def test_before_the_first_sync_it_is_our_own_time() -> None:
    """A clock that has not asked yet is off by no more than the two machines' clocks are."""
    assert abs(ServerClock().now_ms() - time.time() * 1000) < 1000
