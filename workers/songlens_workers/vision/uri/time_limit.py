"""The whole time that something may take, and a way to keep to it where calls know of no such limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class TimeLimit:
    """Counts from now."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until_s = clock() + seconds

    def left_s(self) -> float:
        """Return the seconds that are left, more than 0; raises `TimeoutError` when the time is up."""
        left_s = self._until_s - self._clock()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class Aside:
    """Runs calls in threads of their own, which are left behind when the time is up.

    Name servers, network file systems and object stores may keep a caller waiting for minutes, whatever it asks for.
    There are never more than `most` such threads, and none of them keeps the process from ending.
    """

    def __init__(self, most: int) -> None:
        self._room = threading.BoundedSemaphore(most)

    def call(self, work: Callable[[], T], limit: TimeLimit) -> T:
        """Return what `work` returns; raises what it raises, or `TimeoutError`."""
        if not self._room.acquire(timeout=limit.left_s()):
            raise TimeoutError
        outcome: Future[T] = Future()
        try:
            threading.Thread(target=self._run, args=(work, outcome), name="photo-fetch", daemon=True).start()
        except RuntimeError:  # no thread can be started
            self._room.release()
            raise
        return outcome.result(timeout=limit.left_s())

    def _run(self, work: Callable[[], T], outcome: Future[T]) -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            self._room.release()
