"""Outlasting a Redis that is away: repeat with back-off, say so once, and say when it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog

T = TypeVar("T")

_log = structlog.get_logger()

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0

RETRIABLE = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError, redis.exceptions.TryAgainError)


class GivenUp(Exception):
    """The worker had to stop before Redis came back."""


class Patience:
    """Repeats what failed for lack of a server, until it works or the worker gives up."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Wait no longer: whoever repeats something gets `GivenUp`."""
        self._given_up.set()

    def until_done(self, attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns once the server answers; raises `GivenUp`."""
        pause_s, failures = _FIRST_PAUSE_S, 0
        while True:
            try:
                result = attempt()
            except RETRIABLE as error:
                failures += 1
                if failures == 1:
                    _log.warning("redis_away", stage=self._stage, error=type(error).__name__)
                if self._given_up.wait(pause_s):
                    raise GivenUp from error
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
            else:
                if failures:
                    _log.info("redis_back", stage=self._stage, attempts=failures)
                return result
