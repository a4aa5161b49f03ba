"""What the preparing pool works on, so that an entry whose preparing hangs is not kept from others for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from songlens_shared.functions import Delivery
from songlens_workers.runtime.health import Pulse


class Preparing:
    """Which thread prepares which entry. Each thread is a loop of the worker's pulse while it has an entry."""

    def __init__(self, pulse: Pulse, *, threads: int, stuck_s: float) -> None:
        self._pulse = pulse
        self._threads = threads
        self._stuck_s = stuck_s
        self._entries: dict[str, Delivery] = {}
        self._hung: set[str] = set()
        self._left_until_s: dict[tuple[str, bytes], float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def preparing(self, delivery: Delivery) -> Iterator[None]:
        """A thread of the pool works on this entry."""
        loop = threading.current_thread().name
        with self._lock:
            self._entries[loop] = delivery
            self._pulse.beat(loop)
        try:
            yield
        finally:
            with self._lock:
                del self._entries[loop]
                self._hung.discard(loop)
                self._pulse.rest(loop)

    def given_up(self) -> bool:
        """Say whether the entry that the calling thread prepares was told as hung, and so is no longer ours."""
        with self._lock:
            return threading.current_thread().name in self._hung

    def newly_hung(self) -> list[Delivery]:
        """Return each entry whose preparing takes longer than `stuck_s`, once."""
        with self._lock:
            hung = {loop for loop in self._entries if self._pulse.stands_still(loop)} - self._hung
            self._hung |= hung
            entries = [self._entries[loop] for loop in hung]
            until_s = time.monotonic() + self._stuck_s
            self._left_until_s |= {(entry.stream, entry.entry_id): until_s for entry in entries}
            return entries

    def left_to_others(self, stream: str, entry_id: bytes) -> bool:
        """Say whether an entry that hung here is for others to try, for as long again as it hung."""
        now_s = time.monotonic()
        with self._lock:
            self._left_until_s = {key: until_s for key, until_s in self._left_until_s.items() if until_s > now_s}
            return (stream, entry_id) in self._left_until_s

    def all_hung(self) -> bool:
        """Say whether no thread is left to prepare anything."""
        with self._lock:
            return len(self._hung) >= self._threads
