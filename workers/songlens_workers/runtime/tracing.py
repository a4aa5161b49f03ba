"""What a worker tells of each request that goes through the stage. Nobody hears of it here; spans.py makes spans of it.

From `claimed` until `sent` or `given_back`, any thread may tell more of an entry.
"""

from __future__ import annotations

from collections.abc import Callable

from songlens_shared.codec import trace_of
from songlens_shared.functions import Delivery
from songlens_shared.traceparent import trace_id
from songlens_workers.runtime.stage import Outcome, Work

Follow = Callable[[Delivery, str | None], str | None]
"""Called by a stage with the traceparent that an entry's message carries; returns the one to hand over."""


def unfollowed(delivery: Delivery, traceparent: str | None) -> str | None:
    """Hand over what came."""
    return traceparent


class Tracing:
    """Traces nothing: a traceparent passes through as it came."""

    def claimed(self, work: Work) -> None:
        """An entry was claimed."""

    def follow(self, delivery: Delivery, traceparent: str | None) -> str | None:
        """Its message has been read; returns the traceparent for what is made of it."""
        return unfollowed(delivery, traceparent)

    def batched(self, delivery: Delivery, *, size: int, reason: str, waited_s: float) -> None:
        """It is in a batch that was released for this reason, for which it waited so long once it was prepared."""

    def sent(self, delivery: Delivery, outcome: Outcome, *, code: str, began_ns: int, taken: bool) -> None:
        """Its outcome is in Redis, sent since `began_ns` (epoch); or was dropped, for another had been `taken`."""

    def buried(self, delivery: Delivery) -> None:
        """It has become a dead letter; `sent` tells of the reply."""

    def given_back(self, delivery: Delivery) -> None:
        """It is another worker's to try."""

    def about(self, delivery: Delivery) -> dict[str, str]:
        """Return what a log line about the request binds: its id, and its trace's where there is one."""
        return about(delivery, trace_of(delivery.payload))

    def close(self) -> None:
        """Nothing more comes: have all of it exported, within a few seconds."""


def about(delivery: Delivery, traceparent: str | None) -> dict[str, str]:
    """Return a request's id, and the id of the trace that it is in."""
    trace = trace_id(traceparent)
    return {"request": delivery.request_id} | ({} if trace is None else {"trace_id": trace})
