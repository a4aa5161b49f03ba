"""Threads that prepare entries. Daemons, unlike those of `concurrent.futures`: one that hangs must not keep a stopped
worker's process from ending.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

Task = Callable[[], None]

_CLOSE_LIMIT_S = 1.0


class Pool:
    """Runs tasks in order of their coming, each in one of so many threads. A task must not raise."""

    def __init__(self, threads: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def closed(self) -> bool:
        """Whether no further task is started."""
        return self._closed

    @property
    def size(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def submit(self, task: Task) -> None:
        """Have a task run."""
        self._tasks.put(task)

    def close(self) -> None:
        """Start no further task, and wait a moment for those that run."""
        self._closed = True
        until_s = time.monotonic() + _CLOSE_LIMIT_S
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if not self._closed:
                task()
