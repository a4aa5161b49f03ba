"""Items that wait in one lane, in order of arrival."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Waiting(Generic[T]):
    """An item that waits for its batch."""

    item: T
    size_bytes: int
    since_s: float
    deadline_s: float


class Line(Generic[T]):
    """First come, first served. Bytes and nearest deadline of all that wait are known without looking at each."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting[T]] = deque()
        # Those before whom nobody behind them has a nearer deadline: the first has the nearest of all.
        self._nearest: deque[Waiting[T]] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first(self) -> Waiting[T]:
        """Who waits longest; raises `IndexError` where nobody waits."""
        return self._waiting[0]

    @property
    def nearest_deadline_s(self) -> float:
        """The nearest deadline of all; raises `IndexError` where nobody waits."""
        return self._nearest[0].deadline_s

    def add(self, waiting: Waiting[T]) -> None:
        """Go to the end."""
        self._waiting.append(waiting)
        self.size_bytes += waiting.size_bytes
        while self._nearest and self._nearest[-1].deadline_s > waiting.deadline_s:
            self._nearest.pop()
        self._nearest.append(waiting)

    def take(self) -> Waiting[T]:
        """Return the first, who waits no longer; raises `IndexError` where nobody waits."""
        taken = self._waiting.popleft()
        self.size_bytes -= taken.size_bytes
        if self._nearest[0] is taken:
            self._nearest.popleft()
        return taken
