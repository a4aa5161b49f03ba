"""Blocking reads of several partitions at once: on a Redis Cluster no single command can wait for them all."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 32
"""Partitions that one worker watches at once; each takes a thread and a connection."""


@dataclass(frozen=True)
class _Watch(Generic[T]):
    reserved: int
    reading: Future[list[T]]


class Watches(Generic[T]):
    """Reads that are under way. What one of them brings later than it was waited for is kept until it is asked for.

    All calls come from one thread.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="watch")
        self._under_way: dict[Hashable, _Watch[T]] = {}

    def __contains__(self, place: Hashable) -> bool:
        return place in self._under_way

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def reserved(self) -> int:
        """How many entries the reads under way may still bring at most."""
        return sum(watch.reserved for watch in self._under_way.values())

    def start(self, place: Hashable, most: int, read: Callable[[], list[T]]) -> None:
        """Begin a read of a place, which brings `most` entries at most."""
        self._under_way[place] = _Watch(most, self._pool.submit(read))

    def wait(self, limit_s: float | None) -> None:
        """Return when one read has ended, or after so long."""
        wait([watch.reading for watch in self._under_way.values()], limit_s, FIRST_COMPLETED)

    def finished(self) -> list[Future[list[T]]]:
        """Return the reads that have ended, each once."""
        ended = [place for place, watch in self._under_way.items() if watch.reading.done()]
        return [self._under_way.pop(place).reading for place in ended]

    def close(self) -> None:
        """Start no more; `finished` has them all once the last read has ended."""
        self._pool.shutdown(wait=True)
