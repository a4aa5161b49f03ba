"""A span for each request in a stage, from claimed to ended; another for the reply's way to Redis.

Why of requests, though the work is done in batches: docs/decisions/0014-spans-are-of-requests.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context

from songlens_shared.codec import trace_of
from songlens_shared.functions import Delivery
from songlens_shared.keys import stream_name
from songlens_shared.spans import (
    PROCESS,
    PUBLISH,
    REPLIES,
    context_of,
    fail,
    messaging,
    tell,
    traceparent_of,
)
from songlens_workers.runtime.stage import Answer, HandOver, Outcome, Work
from songlens_workers.runtime.tracing import Tracing, about

GIVEN_BACK = "given_back"
"""The error of a span whose entry another worker is to try."""

_STEPS = {"vision": ("decode", "embed", "search", "total"), "songs": ("songs", "total")}
"""The timings that a stage adds to those that it was handed over."""


@dataclass
class _Entry:
    work: Work
    claimed_ns: int
    span: Span | None = None
    """None until the message has been read, or something is to be told before."""


class SpanTracing(Tracing):
    """Makes spans of what one stage of one worker tells. What it was not told of as claimed, it passes over."""

    def __init__(self, tracer: Tracer, stage: str, *, close: Callable[[], None] = lambda: None) -> None:
        """`close` exports what has ended."""
        self._tracer = tracer
        self._stage = stage
        self._close = close
        self._entries: dict[tuple[str, bytes], _Entry] = {}

    def claimed(self, work: Work) -> None:
        """The span will begin now, whenever its parent is known."""
        self._entries[_key(work.delivery)] = _Entry(work, time.time_ns())

    def follow(self, delivery: Delivery, traceparent: str | None) -> str | None:
        """Begin the span as a child of what the message was sent in. Returns the span's own traceparent."""
        entry = self._entries.get(_key(delivery))
        if entry is None:
            return traceparent
        return traceparent_of(self._begun(entry, lambda: traceparent))

    def batched(self, delivery: Delivery, *, size: int, reason: str, waited_s: float) -> None:
        """The batch is told by attributes of each of its requests."""
        entry = self._entries.get(_key(delivery))
        if entry is not None:
            self._span(entry).set_attributes(
                {
                    "songlens.batch_size": size,
                    "songlens.batch_reason": reason,
                    "songlens.batch_wait_ms": waited_s * 1000,
                }
            )

    def sent(self, delivery: Delivery, outcome: Outcome, *, code: str, began_ns: int, taken: bool) -> None:
        """End the span. One whose outcome came second is not failed: the request was worked on twice."""
        entry = self._entries.pop(_key(delivery), None)
        if entry is None:
            return
        span = self._span(entry)
        if not taken:
            span.set_attribute("songlens.refused", True)
        elif not isinstance(outcome, HandOver):
            self._reply(delivery, span, began_ns)
        self._tell(span, outcome)
        tell(span, code)
        span.end()

    def buried(self, delivery: Delivery) -> None:
        """Mark the span."""
        entry = self._entries.get(_key(delivery))
        if entry is not None:
            self._span(entry).set_attribute("songlens.dead_letter", True)

    def given_back(self, delivery: Delivery) -> None:
        """End the span as failed; the next try has one of its own."""
        entry = self._entries.pop(_key(delivery), None)
        if entry is not None:
            span = self._span(entry)
            fail(span, GIVEN_BACK)
            span.end()

    def about(self, delivery: Delivery) -> dict[str, str]:
        """As for who traces nothing; a trace that began here is known, too."""
        entry = self._entries.get(_key(delivery))
        return super().about(delivery) if entry is None else about(delivery, traceparent_of(self._span(entry)))

    def close(self) -> None:
        """Export all there is, what is held at the end included: it has been given back."""
        for entry in list(self._entries.values()):
            self.given_back(entry.work.delivery)
        self._close()

    def _span(self, entry: _Entry) -> Span:
        return self._begun(entry, lambda: trace_of(entry.work.delivery.payload))

    def _begun(self, entry: _Entry, traceparent: Callable[[], str | None]) -> Span:
        if entry.span is None:
            delivery = entry.work.delivery
            destination = stream_name(delivery.stream)
            entry.span = self._tracer.start_span(
                f"{PROCESS} {destination}",
                context_of(traceparent()),
                SpanKind.CONSUMER,
                {
                    **messaging(PROCESS, destination, delivery.request_id),
                    "messaging.destination.partition.id": str(delivery.keys.partition),
                    "messaging.consumer.group.name": delivery.group,
                    "messaging.message.id": delivery.entry_id.decode(),
                    "songlens.stage": self._stage,
                    "songlens.deliveries": delivery.deliveries,
                    "songlens.queue_ms": entry.work.queue_ms,
                },
                start_time=entry.claimed_ns,
            )
        return entry.span

    def _reply(self, delivery: Delivery, span: Span, began_ns: int) -> None:
        self._tracer.start_span(
            f"{PUBLISH} {REPLIES}",
            set_span_in_context(span),
            SpanKind.PRODUCER,
            messaging(PUBLISH, REPLIES, delivery.request_id),
            start_time=began_ns,
        ).end()

    def _tell(self, span: Span, outcome: Outcome) -> None:
        told = outcome.reply if isinstance(outcome, Answer) else outcome
        if not isinstance(told, Exception):
            steps = {step: told.timings_ms[step] for step in _STEPS.get(self._stage, ()) if step in told.timings_ms}
            span.set_attributes({f"songlens.{step}_ms": ms for step, ms in steps.items()})
            span.set_attribute("songlens.cached", told.cached)
            if told.model is not None:
                span.set_attribute("songlens.model", told.model)


def _key(delivery: Delivery) -> tuple[str, bytes]:
    return delivery.stream, delivery.entry_id
