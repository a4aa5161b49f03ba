"""A bounded number of files that stay open: a tar is opened once, not once for each of its photos."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

# Without waiting: a FIFO has nobody at its other end. Without becoming the terminal of this process.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_descriptor(path: str) -> int:
    """Open a file for reading. Raises `OSError`, and `ValueError` for what can be no path."""
    return os.open(path, _FLAGS)


class _Open:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 0
        self.kept = True


class OpenFiles:
    """Lends descriptors, of which it keeps those that were used last. Thread-safe.

    A descriptor that is lent is never closed: another thread's new file could get its number.
    """

    def __init__(self, most: int) -> None:
        """No more than `most` files stay open while nobody uses them."""
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Open] = OrderedDict()
        self._closed = False

    @contextmanager
    def lend(self, path: str) -> Iterator[int]:
        """Lend a descriptor for use with `os.pread`; raises as `open_descriptor` does."""
        lent = self._take(path)
        try:
            yield lent.descriptor
        finally:
            with self._lock:
                lent.users -= 1
                self._close_unused(lent)

    def forget(self, path: str) -> None:
        """Open a file anew when it is next asked for."""
        with self._lock:
            self._drop(path)

    def close(self) -> None:
        """Keep no file any more; those that are lent are closed when they come back."""
        with self._lock:
            self._closed = True
            for path in list(self._kept):
                self._drop(path)

    def _take(self, path: str) -> _Open:
        with self._lock:
            held = self._kept.get(path)
            if held is not None:
                return self._lent(path, held)
        opened = _Open(open_descriptor(path))  # outside the lock, since a network's file system may take its time
        with self._lock:
            held = self._kept.get(path)
            if held is not None:  # another thread was first
                os.close(opened.descriptor)
                return self._lent(path, held)
            self._keep(path, opened)
            opened.users += 1
            return opened

    def _lent(self, path: str, held: _Open) -> _Open:
        self._kept.move_to_end(path)
        held.users += 1
        return held

    def _keep(self, path: str, opened: _Open) -> None:
        if self._closed:
            opened.kept = False
            return
        while len(self._kept) >= self._most:
            self._drop(next(iter(self._kept)))
        self._kept[path] = opened

    def _drop(self, path: str) -> None:
        held = self._kept.pop(path, None)
        if held is not None:
            held.kept = False
            self._close_unused(held)

    def _close_unused(self, held: _Open) -> None:
        if not held.kept and not held.users:
            os.close(held.descriptor)
