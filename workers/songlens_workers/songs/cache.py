"""A bounded cache that fetches all that is missing in one go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class BatchCache(Generic[V]):
    """Keeps the values used last. Not thread-safe.

    None stands for something that does not exist, and is not kept: its key comes from outside, of any length.
    """

    def __init__(self, limit: int, fetch: Callable[[Sequence[str]], Sequence[V]]) -> None:
        self._limit = limit
        self._fetch = fetch
        self._values: OrderedDict[str, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get_many(self, keys: Iterable[str]) -> dict[str, V]:
        """Return the value of every key; those not held are fetched together."""
        wanted = dict.fromkeys(keys)
        missing = [key for key in wanted if key not in self._values]
        fetched = dict(zip(missing, self._fetch(missing), strict=True)) if missing else {}
        found = {key: fetched[key] if key in fetched else self._values[key] for key in wanted}
        self._keep(found)
        return found

    def _keep(self, found: dict[str, V]) -> None:
        for key, value in found.items():
            if value is None:
                continue
            self._values[key] = value
            self._values.move_to_end(key)
        while len(self._values) > self._limit:
            self._values.popitem(last=False)
