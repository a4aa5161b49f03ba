"""Outlasting a Redis that is away: repeat with back-off, say so once, and say when it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog
from redis.exceptions import RedisClusterException

from songlens_shared.cluster import RedisFault
from songlens_workers.runtime.health import Pulse

T = TypeVar("T")

_log = structlog.get_logger()

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0

_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterError,
    RedisClusterException,
)
# redis-py has no classes of their own for these: a long script, a full disk, too few replicas.
_UNABLE = ("BUSY ", "MISCONF ", "NOREPLICAS ")


class GivenUp(Exception):
    """The worker had to stop before Redis came back."""


def will_pass(error: BaseException) -> bool:
    """Say whether waiting may help: the fault is the server's state, not what it was asked to do."""
    return isinstance(error, _AWAY) or (isinstance(error, redis.ResponseError) and str(error).startswith(_UNABLE))


def named(error: BaseException) -> str:
    """Return a word for what is wrong with the server; what else an error says may be private."""
    text = str(error)
    return text.partition(" ")[0] if text.startswith(_UNABLE) else type(error).__name__


class Patience:
    """Repeats what failed for lack of a server, until it works or the worker gives up."""

    def __init__(self, stage: str, pulse: Pulse) -> None:
        self._stage = stage
        self._pulse = pulse
        self._given_up = threading.Event()
        self._waiting: dict[int, str] = {}

    def faults(self) -> list[str]:
        """Return why the worker waits for the server; nothing while it does not."""
        return [f"Redis cannot be used ({error})" for error in sorted(set(self._waiting.copy().values()))]

    def give_up(self) -> None:
        """Wait no longer: whoever repeats something gets `GivenUp`."""
        self._given_up.set()

    def until_done(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns once the server answers; raises `GivenUp`."""
        thread = threading.get_ident()
        pause_s, failures = _FIRST_PAUSE_S, 0
        try:
            while True:
                try:
                    result = attempt()
                except RedisFault as error:
                    if not will_pass(error):
                        raise
                    failures += 1
                    if failures == 1:
                        _log.warning("redis_away", stage=self._stage, error=named(error))
                    self._waiting[thread] = named(error)
                    self._pause(pause_s, error)
                    pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
                else:
                    if failures:
                        _log.info("redis_back", stage=self._stage, attempts=failures)
                    return result
        finally:
            self._waiting.pop(thread, None)

    def _pause(self, pause_s: float, error: Exception) -> None:
        # No loop is to blame for standing still now: a restart would not bring Redis back.
        self._pulse.excuse()
        if self._given_up.wait(pause_s):
            raise GivenUp from error
