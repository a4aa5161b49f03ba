"""The cache that fetches what is missing in one go."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from songlens_workers.songs.cache import BatchCache


class Source:
    """What lies behind the cache; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, keys: Sequence[str]) -> list[str]:
        self.asked.append(list(keys))
        return [key.upper() for key in keys]


def test_only_what_is_missing_is_fetched_and_together() -> None:
    """Keys held already, and keys named twice, cost nothing."""
    source = Source()
    cache = BatchCache(10, source)
    assert cache.get_many(["a", "b", "a"]) == {"a": "A", "b": "B"}
    assert cache.get_many(["b", "c", "d"]) == {"b": "B", "c": "C", "d": "D"}
    assert cache.get_many(["a", "d"]) == {"a": "A", "d": "D"}
    assert cache.get_many([]) == {}
    assert source.asked == [["a", "b"], ["c", "d"]]


def test_what_was_used_last_stays() -> None:
    """The key that was not used for longest goes first."""
    source = Source()
    cache = BatchCache(2, source)
    cache.get_many(["a"])
    cache.get_many(["b"])
    cache.get_many(["a"])
    cache.get_many(["c"])  # takes the place of b
    source.asked.clear()
    cache.get_many(["a", "c"])
    assert source.asked == []
    cache.get_many(["b"])
    assert source.asked == [["b"]]


@given(st.integers(0, 5), st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), max_size=20))
def test_always_right_and_never_over_its_limit(limit: int, calls: list[list[str]]) -> None:
    """Whatever is asked, even more at once than it may keep: right values, in the order asked, bounded memory."""
    cache = BatchCache(limit, Source())
    for keys in calls:
        assert list(cache.get_many(keys).items()) == [(key, key.upper()) for key in dict.fromkeys(keys)]
        assert len(cache) <= limit


def test_what_does_not_exist_is_not_kept() -> None:
    """None is asked for again each time, and its key, which a stranger may have made up, takes no room."""
    asked: list[str] = []

    def fetch(keys: Sequence[str]) -> list[str | None]:
        asked.extend(keys)
        return [key.upper() if key == "known" else None for key in keys]

    cache: BatchCache[str | None] = BatchCache(10, fetch)
    for _ in range(2):
        assert cache.get_many(["known", "unknown"]) == {"known": "KNOWN", "unknown": None}
    assert asked == ["known", "unknown", "unknown"]
    assert len(cache) == 1


def test_clearing_drops_everything_even_what_is_on_its_way() -> None:
    """A value that was fetched before a clearing, and arrives after it, is given to who asked and not kept."""
    source = Source()
    cache = BatchCache(10, source)
    cache.get_many(["a"])
    cache.clear()
    assert len(cache) == 0

    def fetch_while_cleared(keys: Sequence[str]) -> list[str]:
        cache_of_users.clear()
        return source(keys)

    cache_of_users = BatchCache(10, fetch_while_cleared)
    assert cache_of_users.get_many(["a", "b"]) == {"a": "A", "b": "B"}
    assert len(cache_of_users) == 0
