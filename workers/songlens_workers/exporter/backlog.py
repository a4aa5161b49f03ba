"""What waits in the streams of the queue, read without touching a payload: the rights of `songlens-metrics` will do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from songlens_shared.keys import LANES, SONGS_GROUP, VISION_GROUP, PartitionKeys

HITS = "hits"


@dataclass(frozen=True)
class Place:
    """A stream of one partition."""

    partition: int
    lane: str
    """interactive, bulk, or hits for the stream between the stages."""

    stream: str
    group: str


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What a stream holds at one moment."""

    place: Place
    depth: int
    """Entries that wait or are in flight."""

    size_bytes: int
    pending: int
    """Delivered to a worker and not ended."""

    lag: int
    """Not yet delivered to any worker."""

    oldest_s: float
    """Age of the oldest entry; of one that nobody has claimed, at least since we have seen that there is one."""

    consumers: int
    """Workers that took part of late."""


def places(partitions: int) -> list[Place]:
    """Return every stream that a stage consumes."""
    return [place for partition in range(partitions) for place in _of(PartitionKeys(partition))]


def _of(keys: PartitionKeys) -> Iterator[Place]:
    for lane in LANES:
        yield Place(keys.partition, lane, keys.requests(lane), VISION_GROUP)
    yield Place(keys.partition, HITS, keys.hits, SONGS_GROUP)


class Backlogs:
    """Looks at streams, and remembers since when it has seen one wait for workers."""

    def __init__(
        self, connection: redis.Redis, where: Sequence[Place], clock_ms: Callable[[], float] | None = None
    ) -> None:
        """`clock_ms`: Redis server time; ids of entries are of that clock."""
        self._redis = connection
        self._places = where
        self._clock_ms = clock_ms or (lambda: time.time() * 1000)
        self._waiting_since_ms: dict[str, float] = {}

    def __call__(self) -> list[Backlog]:
        """Look at all of them; raises what redis-py raises where the server is away."""
        return [self._look(place) for place in self._places]

    def _look(self, place: Place) -> Backlog:
        depth = int(self._redis.xlen(place.stream))
        group = self._group(place) if depth else {}
        pending: Any = self._redis.xpending(place.stream, place.group) if group.get("pending") else {}
        lag = group.get("lag")
        waiting = (depth - int(group.get("pending", 0))) if lag is None else int(lag)  # unknown after deletions
        return Backlog(
            place=place,
            depth=depth,
            size_bytes=int(self._redis.get(PartitionKeys.bytes_of(place.stream)) or 0) if depth else 0,
            pending=int(group.get("pending", 0)),
            lag=max(0, waiting),
            oldest_s=self._oldest_s(place, group, pending, waiting),
            consumers=int(group.get("consumers", 0)),
        )

    def _group(self, place: Place) -> dict[str, Any]:
        try:
            groups: Any = self._redis.xinfo_groups(place.stream)
        except redis.ResponseError:
            return {}  # the stream has gone meanwhile
        return next((group for group in groups if group["name"] == place.group.encode()), {})

    def _oldest_s(self, place: Place, group: dict[str, Any], pending: dict[str, Any], waiting: int) -> float:
        now_ms = self._clock_ms()
        ages_ms = [0.0]
        if first := pending.get("min"):
            ages_ms.append(now_ms - _entered_ms(first))
        if waiting <= 0:
            self._waiting_since_ms.pop(place.stream, None)
        else:
            # Entries come in their order: whoever is next came after the last one that was delivered.
            since_ms = self._waiting_since_ms.setdefault(place.stream, now_ms)
            ages_ms.append(now_ms - max(since_ms, _entered_ms(group.get("last-delivered-id", b"0-0"))))
        return max(ages_ms) / 1000


def _entered_ms(entry: bytes | str) -> int:
    text = entry.decode() if isinstance(entry, bytes) else entry
    return int(text.partition("-")[0])
