"""What a vision worker found for the photos it saw of late, by content: the same bytes need not be computed again.

Why it lies in the worker's memory and not in Redis: docs/decisions/0007-content-cache-in-the-worker.md.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from songlens_workers.runtime.metrics import ContentCacheMetrics
from songlens_workers.vision.index.protocol import Distances, Positions

Key = tuple[bytes, str]
"""SHA-256 of a photo's bytes, and the model version that it was searched in."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What the search found for one photo, nearest first."""

    distances: Distances
    """float32 (K,)"""

    positions: Positions
    """int64 (K,)"""

    def __len__(self) -> int:
        return len(self.distances)


@dataclass(frozen=True, slots=True)
class _Entry:
    neighbours: Neighbours
    expires_s: float


class ContentCache:
    """Keeps the entries used last, each for a limited time. Safe from several threads.

    An entry whose time is over goes when it is looked up, or when another needs its place.
    """

    def __init__(
        self,
        limit: int,
        ttl_s: float,
        *,
        metrics: ContentCacheMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit`: entries at most, where 0 switches the cache off; `ttl_s`: how long each is good for."""
        self._limit = limit
        self._ttl_s = ttl_s
        self._metrics = metrics
        self._clock = clock
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def key(self, image: bytes, version: str) -> Key | None:
        """Return what a photo's neighbours are kept under; None, without hashing, where the cache is off."""
        return (sha256(image).digest(), version) if self._limit else None

    def find(self, key: Key | None, depth: int) -> Neighbours | None:
        """Return what is known of a photo, `depth` neighbours or more; None where less is known."""
        if key is None:
            return None
        with self._lock:
            known = self._good(key, depth)
            if known is not None:
                self._entries.move_to_end(key)
        self._metrics.looked_up(hit=known is not None)
        return known

    def remember(self, key: Key | None, found: Neighbours) -> None:
        """Keep a photo's neighbours; a shallower search does not take the place of a deeper one."""
        if key is None:
            return
        # A row of a batch's search would keep the arrays of the whole batch.
        copied = Neighbours(found.distances.copy(), found.positions.copy())
        with self._lock:
            if self._good(key, len(found) + 1) is not None:
                return
            self._entries[key] = _Entry(copied, self._clock() + self._ttl_s)
            self._entries.move_to_end(key)
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)

    def _good(self, key: Key, depth: int) -> Neighbours | None:
        """Return an entry's neighbours where they are enough; drop it where its time is over. The lock is held."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_s <= self._clock():
            del self._entries[key]
            return None
        return entry.neighbours if len(entry.neighbours) >= depth else None
