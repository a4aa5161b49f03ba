"""The entries that this worker has claimed and not finished, shared by its threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK


class InFlight:
    """A bounded set of deliveries."""

    def __init__(self, limit: int) -> None:
        self._most = limit
        self._limit = self._bulk_limit = limit
        self._bulk = 0
        self._held: dict[tuple[str, bytes], Delivery] = {}
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._held)

    def wait_for_room(self, timeout_s: float) -> int:
        """Return how many more entries may be claimed, waiting a while for the first."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._held) < self._limit, timeout_s)
            return max(0, self._limit - len(self._held))

    def limit_to(self, bulk: int, *, interactive: int) -> None:
        """Hold about so many of bulk from now on, and of interactive so many besides, never more than the bound."""
        with self._changed:
            self._bulk_limit = min(bulk, self._most)
            self._limit = min(bulk + interactive, self._most)
            self._changed.notify_all()

    def room_for_bulk(self) -> int:
        """Return how many of the entries that there is room for may be of bulk."""
        return max(0, self._bulk_limit - self._bulk)

    def hold(self, delivery: Delivery) -> bool:
        """Add an entry; False where it is held already, as after a pause so long that we took over from ourselves."""
        key = (delivery.stream, delivery.entry_id)
        with self._changed:
            if key in self._held:
                return False
            self._held[key] = delivery
            self._bulk += _is_bulk(delivery)
            return True

    def let_go(self, deliveries: Iterable[Delivery]) -> None:
        """Remove entries."""
        with self._changed:
            for delivery in deliveries:
                if self._held.pop((delivery.stream, delivery.entry_id), None) is not None:
                    self._bulk -= _is_bulk(delivery)
            self._changed.notify_all()

    def held(self) -> list[Delivery]:
        """Return the entries held now."""
        with self._changed:
            return list(self._held.values())


def _is_bulk(delivery: Delivery) -> bool:
    return delivery.lane == BULK
