"""What a vision worker remembers of the photos it saw: bounded, for a while, of one model version."""

from __future__ import annotations

import threading
import time
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual_clock import ManualClock
from prometheus_client import CollectorRegistry

from songlens_workers.runtime.metrics import ContentCacheMetrics
from songlens_workers.vision.content_cache import ContentCache, Neighbours

TTL_S = 600.0


class Cache:
    """A cache of its own clock and counts, asked for photos by name."""

    def __init__(self, limit: int = 10, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.registry = CollectorRegistry()
        metrics = ContentCacheMetrics(self.registry)
        self.cache = ContentCache(limit, TTL_S, metrics=metrics, clock=self.clock.monotonic_s)

    def remember(self, photo: str, found: Neighbours, version: str = "v1") -> None:
        self.cache.remember(self.cache.key(photo.encode(), version), found)

    def find(self, photo: str, depth: int = 1, version: str = "v1") -> list[int] | None:
        """Return the positions found, if any."""
        found = self.cache.find(self.cache.key(photo.encode(), version), depth)
        return None if found is None else found.positions.tolist()

    def count(self, result: str) -> float | None:
        labels = {"stage": "vision", "result": result}
        return self.registry.get_sample_value("songlens_content_cache_lookups_total", labels)


class YieldingClock(ManualClock):
    """Lets other threads run whenever somebody looks at it: in the midst of a lookup."""

    def monotonic_s(self) -> float:
        time.sleep(0)
        return super().monotonic_s()


def neighbours(*positions: int) -> Neighbours:
    return Neighbours(np.arange(len(positions), dtype=np.float32), np.array(positions, dtype=np.int64))


def test_the_same_bytes_are_known() -> None:
    """Distances and positions come back as they went in; other bytes are not known. Hits and misses are counted."""
    kept = Cache()
    assert kept.find("beach") is None
    kept.remember("beach", neighbours(7, 3, 9))
    found = kept.cache.find(kept.cache.key(b"beach", "v1"), 3)
    assert found is not None
    assert (found.positions.tolist(), found.distances.tolist()) == ([7, 3, 9], [0.0, 1.0, 2.0])
    assert kept.find("forest") is None
    assert (kept.count("hit"), kept.count("miss")) == (1, 2)


def test_the_key_is_the_content_and_the_version() -> None:
    """SHA-256 of the bytes, so that no two photos are taken for one, and the version; never the bytes themselves."""
    assert Cache().cache.key(b"beach", "v1") == (sha256(b"beach").digest(), "v1")


def test_a_photo_is_not_known_in_another_version() -> None:
    """Each version has its own neighbours of a photo, side by side."""
    kept = Cache()
    kept.remember("beach", neighbours(1), "v1")
    assert kept.find("beach", version="v2") is None
    kept.remember("beach", neighbours(2), "v2")
    assert (kept.find("beach", version="v1"), kept.find("beach", version="v2")) == ([1], [2])


def test_more_neighbours_than_are_known() -> None:
    """Who asks for more than was searched gets nothing, and who asks for as many or fewer gets all that is known."""
    kept = Cache()
    kept.remember("beach", neighbours(4, 5))
    assert kept.find("beach", depth=3) is None
    assert kept.find("beach", depth=2) == kept.find("beach", depth=1) == [4, 5]
    kept.remember("beach", neighbours(4, 5, 6))
    assert kept.find("beach", depth=3) == [4, 5, 6]


def test_a_shallower_search_does_not_displace_a_deeper_one() -> None:
    """Of two searches of a photo the deeper one stays, whichever ends last, and no longer than its own time."""
    kept = Cache()
    kept.remember("beach", neighbours(4, 5, 6))
    kept.clock.now_s += TTL_S / 2
    kept.remember("beach", neighbours(4))
    assert kept.find("beach", depth=3) == [4, 5, 6]
    kept.clock.now_s += TTL_S / 2
    kept.remember("beach", neighbours(4))
    assert (kept.find("beach", depth=3), kept.find("beach", depth=1)) == (None, [4])


def test_time_limit() -> None:
    """An entry is good for its time from when it was computed, however often it is used, and is then gone."""
    kept = Cache()
    kept.remember("beach", neighbours(1))
    for _ in range(3):
        kept.clock.now_s += TTL_S / 3 - 0.1
        assert kept.find("beach") == [1]
    kept.clock.now_s += 0.3
    assert kept.find("beach") is None
    assert len(kept.cache) == 0
    kept.remember("beach", neighbours(2))
    assert kept.find("beach") == [2]


def test_what_was_used_last_stays() -> None:
    """The photo that was not asked for longest goes first."""
    kept = Cache(limit=2)
    kept.remember("beach", neighbours(1))
    kept.remember("forest", neighbours(2))
    kept.find("beach")
    kept.remember("coffee", neighbours(3))
    assert (kept.find("forest"), kept.find("beach"), kept.find("coffee")) == (None, [1], [3])


@given(st.integers(0, 4), st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 3)), max_size=40))
def test_never_over_its_limit_and_never_wrong(limit: int, asked: list[tuple[str, int]]) -> None:
    """Whatever is asked, as often and as deep as may be: at most so many entries, and each photo's own neighbours."""
    kept = Cache(limit)
    for photo, depth in asked:
        expected = [ord(photo) + rank for rank in range(depth)]
        found = kept.find(photo, depth)
        assert found is None or found[:depth] == expected
        kept.remember(photo, neighbours(*expected))
        assert len(kept.cache) <= limit
        assert (kept.find(photo, depth) is not None) == (limit > 0)


def test_switched_off() -> None:
    """With a limit of 0 no photo is hashed, none is known, and nothing is counted."""
    kept = Cache(limit=0)
    kept.remember("beach", neighbours(1))
    assert kept.cache.key(b"beach", "v1") is None
    assert kept.find("beach") is None
    assert (len(kept.cache), kept.count("hit"), kept.count("miss")) == (0, 0, 0)


def test_a_row_does_not_keep_its_batch() -> None:
    """What is kept is a copy: later use of the batch's arrays does not show, nor do they stay in memory."""
    kept = Cache()
    distances, positions = np.zeros((64, 5), np.float32), np.zeros((64, 5), np.int64)
    kept.remember("beach", Neighbours(distances[0], positions[0]))
    positions[:] = 9
    found = kept.cache.find(kept.cache.key(b"beach", "v1"), 5)
    assert found is not None
    assert found.positions.tolist() == [0] * 5
    assert found.positions.base is None
    assert found.distances.base is None


@pytest.mark.parametrize("limit", [5, 1000])
def test_many_threads(limit: int) -> None:
    """Threads that ask and remember at once see right neighbours only, and the bound and the counts hold."""
    kept, rounds, threads = Cache(limit, YieldingClock()), 300, 6
    faults: list[object] = []

    def work(seed: int) -> None:
        try:
            for number in range(rounds):
                photo = (number * (seed + 1)) % 17
                found = kept.find(str(photo), depth=3)
                if found not in (None, [photo] * 3):
                    faults.append(found)
                kept.remember(str(photo), neighbours(*[photo] * 3))
                if len(kept.cache) > limit:
                    faults.append(len(kept.cache))
        except Exception as error:
            faults.append(error)

    running = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(30)
    assert faults == []
    assert (kept.count("hit") or 0) + (kept.count("miss") or 0) == rounds * threads
    assert len(kept.cache) == min(limit, 17)
