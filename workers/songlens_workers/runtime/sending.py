"""Sends outcomes in a thread of its own, so that the next batch is computed while those of the last one go to Redis.

What waits here is still in flight: it is renewed like everything that the worker holds, and never more than that.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

from songlens_shared.functions import Delivery
from songlens_workers.runtime.health import Pulse
from songlens_workers.runtime.stage import Outcome

LOOP = "sending"
"""Of the worker's pulse, while there is something to send."""

Ended = Sequence[tuple[Delivery, Outcome]]


class Sending:
    """Hands all that waits to `send`, in one piece and in order. `put` is called by any thread, `run` by one."""

    def __init__(self, send: Callable[[Ended], None], pulse: Pulse) -> None:
        self._send = send
        self._pulse = pulse
        self._waiting: queue.SimpleQueue[Ended | None] = queue.SimpleQueue()

    def put(self, ended: Ended) -> None:
        """Have these sent."""
        if ended:
            self._waiting.put(ended)

    def close(self) -> None:
        """Let `run` return once all that was put before is sent."""
        self._waiting.put(None)

    def run(self) -> None:
        """Send until `close`; raises what `send` raises."""
        closed = False
        while not closed:
            ended, closed = self._next()
            if ended:
                self._pulse.beat(LOOP)
                self._send(ended)
                self._pulse.rest(LOOP)

    def _next(self) -> tuple[Ended, bool]:
        """Wait for the first, then take all that is there; says whether `close` was among it."""
        piece = self._waiting.get()
        ended = list(piece or ())
        while piece is not None:
            try:
                piece = self._waiting.get_nowait()
            except queue.Empty:
                return ended, False
            ended += piece or ()
        return ended, True
