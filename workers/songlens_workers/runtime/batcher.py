"""Micro-batching: when is a batch big enough, when has it waited long enough, and who is in it?

Pure: items and a clock go in, batches and the reason for their release come out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from songlens_shared.keys import BULK, INTERACTIVE
from songlens_workers.runtime.line import Line, Waiting
from songlens_workers.runtime.sizing import BatchPolicy, Sizing

T = TypeVar("T")


class Release(StrEnum):
    """Why a batch was released."""

    FULL = "full"
    TIMER = "timer"
    DEADLINE = "deadline"
    DRAIN = "drain"


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Items released together."""

    items: list[T]
    reason: Release
    capacity: int
    """How many it could have held."""


class MicroBatcher(Generic[T]):
    """Collects items into batches: interactive before bulk, in order of arrival within each lane.

    While anything interactive waits, a batch is sized for that lane, and bulk gets its share of the places, saved up
    where it is less than one. Not thread-safe: it belongs to the thread that runs batches.
    """

    def __init__(self, policy: BatchPolicy, sizing: Sizing, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._sizing = sizing
        self._clock = clock
        self._interactive: Line[T] = Line()
        self._bulk: Line[T] = Line()
        self._credit = 0.0

    def __len__(self) -> int:
        return len(self._interactive) + len(self._bulk)

    def add(
        self,
        item: T,
        size_bytes: int,
        deadline_s: float,
        lane: str = INTERACTIVE,
        *,
        since_s: float | None = None,
    ) -> None:
        """Take an item; `deadline_s`, and `since_s` where it has waited before, are on the batcher's clock."""
        line = self._bulk if lane == BULK else self._interactive
        line.add(Waiting(item, size_bytes, self._clock() if since_s is None else since_s, deadline_s))

    def due_in_s(self) -> float | None:
        """Return how long a release may still be put off: 0 when it is due, None when nothing waits."""
        if not len(self):
            return None
        if self._full():
            return 0.0
        return max(0.0, min(self._deadline_s(), self._timer_s()) - self._clock())

    def release(self, *, draining: bool = False) -> Batch[T] | None:
        """Return the next batch if one is due, or None."""
        if not len(self):
            return None
        reason = self._reason(draining)
        if reason is None:
            return None
        capacity = self._size()
        return Batch(self._take(), reason, capacity)

    def _reason(self, draining: bool) -> Release | None:
        now = self._clock()
        if self._full():
            return Release.FULL
        if draining:
            return Release.DRAIN
        if self._deadline_s() <= now:
            return Release.DEADLINE
        if self._timer_s() <= now:
            return Release.TIMER
        return None

    def _full(self) -> bool:
        waiting_bytes = self._interactive.size_bytes + self._bulk.size_bytes
        return len(self) >= self._size() or waiting_bytes >= self._policy.max_bytes

    def _size(self) -> int:
        return self._sizing.size(INTERACTIVE if self._interactive else BULK)

    def _deadline_s(self) -> float:
        nearest = min(line.nearest_deadline_s for line in (self._interactive, self._bulk) if line)
        return nearest - self._policy.deadline_margin_s

    def _timer_s(self) -> float:
        lanes = ((self._interactive, INTERACTIVE), (self._bulk, BULK))
        return min(line.first.since_s + self._sizing.delay_s(lane) for line, lane in lanes if line)

    def _take(self) -> list[T]:
        taken: list[T] = []
        size, size_bytes = self._size(), 0
        for line, places in ((self._bulk, self._owed(size)), (self._interactive, size), (self._bulk, size)):
            for _ in range(min(places, size - len(taken), len(line))):
                size_bytes += line.first.size_bytes
                if taken and size_bytes > self._policy.max_bytes:
                    return taken
                taken.append(line.take().item)
        return taken

    def _owed(self, size: int) -> int:
        """Return how many places of a batch are bulk's while interactive items wait."""
        if not (self._interactive and self._bulk):
            return 0
        earned = self._policy.bulk_share * size
        self._credit = min(self._credit + earned, 1 + earned)
        owed = min(int(self._credit), len(self._bulk))
        self._credit -= owed
        return owed
