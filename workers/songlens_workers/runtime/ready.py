"""Prepared entries on their way to the batch: from several threads to one, which is woken now and then."""

from __future__ import annotations

import queue
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Ready(Generic[T]):
    """A queue whose items are there at once, and whose taker is woken by `wake`."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T) -> None:
        """Lay an item down; any thread."""
        self._items.append(item)

    def wake(self) -> None:
        """Wake the taker, if he waits or is about to."""
        if self._calls.empty():
            self._calls.put(None)

    def take(self, most: int, wait_s: float) -> list[T]:
        """Return up to `most` items, waiting for the first; after `wait_s`, what there is."""
        if not self._items:
            with suppress(queue.Empty):
                self._calls.get(timeout=wait_s)
        return [self._items.popleft() for _ in range(min(most, len(self._items)))]
