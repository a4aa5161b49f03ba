"""A bounded cache that fetches all that is missing in one go."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class BatchCache(Generic[V]):
    """Keeps the values used last. One thread reads; any thread may clear.

    None stands for something that does not exist, and is not kept: its key comes from outside, of any length.
    """

    def __init__(self, limit: int, fetch: Callable[[Sequence[str]], Sequence[V]]) -> None:
        self._limit = limit
        self._fetch = fetch
        self._values: OrderedDict[str, V] = OrderedDict()
        self._lock = threading.Lock()
        self._clearings = 0

    def __len__(self) -> int:
        return len(self._values)

    def get_many(self, keys: Iterable[str]) -> dict[str, V]:
        """Return the value of every key; those not held are fetched together."""
        wanted = dict.fromkeys(keys)
        with self._lock:
            held = {key: self._values[key] for key in wanted if key in self._values}
            clearings = self._clearings
        missing = [key for key in wanted if key not in held]
        fetched = dict(zip(missing, self._fetch(missing), strict=True)) if missing else {}
        found = {key: fetched[key] if key in fetched else held[key] for key in wanted}
        with self._lock:
            # What was fetched before a clearing may be the very thing that had to go.
            if clearings == self._clearings:
                self._keep(found)
        return found

    def clear(self) -> None:
        """Hold nothing any more, nor what is just being fetched."""
        with self._lock:
            self._values.clear()
            self._clearings += 1

    def _keep(self, found: dict[str, V]) -> None:
        for key, value in found.items():
            if value is None:
                continue
            self._values[key] = value
            self._values.move_to_end(key)
        while len(self._values) > self._limit:
            self._values.popitem(last=False)
