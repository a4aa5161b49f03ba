"""Micro-batching: when is a batch big enough, and when has it waited long enough?

Pure: items and a clock go in, batches and the reason for their release come out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Release(StrEnum):
    """Why a batch was released."""

    FULL = "full"
    TIMER = "timer"
    DEADLINE = "deadline"
    DRAIN = "drain"


@dataclass(frozen=True)
class BatchPolicy:
    """Limits of a batch."""

    max_items: int
    max_bytes: int
    max_delay_s: float
    deadline_margin_s: float = 0.25
    """A batch is released early when an item's deadline is nearer than this."""


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Items released together."""

    items: list[T]
    reason: Release


@dataclass(frozen=True)
class _Waiting(Generic[T]):
    item: T
    size_bytes: int
    since_s: float
    deadline_s: float


class MicroBatcher(Generic[T]):
    """Collects items into batches in order of arrival. Not thread-safe: it belongs to the thread that runs batches."""

    def __init__(self, policy: BatchPolicy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._waiting: deque[_Waiting[T]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: T, size_bytes: int, deadline_s: float, since_s: float | None = None) -> None:
        """Take an item; `deadline_s`, and `since_s` where it has waited before, are on the batcher's clock."""
        self._waiting.append(_Waiting(item, size_bytes, self._clock() if since_s is None else since_s, deadline_s))

    def due_in_s(self) -> float | None:
        """Return how long a release may still be put off: 0 when it is due, None when nothing waits."""
        if not self._waiting:
            return None
        if self._full():
            return 0.0
        nearest = min(waiting.deadline_s for waiting in self._waiting) - self._policy.deadline_margin_s
        timer = self._waiting[0].since_s + self._policy.max_delay_s
        return max(0.0, min(nearest, timer) - self._clock())

    def release(self, *, draining: bool = False) -> Batch[T] | None:
        """Return the next batch if one is due, or None."""
        if not self._waiting:
            return None
        reason = self._reason(draining)
        return None if reason is None else Batch(self._take(), reason)

    def _reason(self, draining: bool) -> Release | None:
        now = self._clock()
        if self._full():
            return Release.FULL
        if draining:
            return Release.DRAIN
        if min(waiting.deadline_s for waiting in self._waiting) - self._policy.deadline_margin_s <= now:
            return Release.DEADLINE
        if self._waiting[0].since_s + self._policy.max_delay_s <= now:
            return Release.TIMER
        return None

    def _full(self) -> bool:
        return (
            len(self._waiting) >= self._policy.max_items
            or sum(waiting.size_bytes for waiting in self._waiting) >= self._policy.max_bytes
        )

    def _take(self) -> list[T]:
        taken: list[T] = []
        size_bytes = 0
        while self._waiting and len(taken) < self._policy.max_items:
            size_bytes += self._waiting[0].size_bytes
            if taken and size_bytes > self._policy.max_bytes:
                break
            taken.append(self._waiting.popleft().item)
        return taken
