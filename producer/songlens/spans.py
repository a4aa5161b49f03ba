"""The client's spans, by OpenTelemetry's API alone. Without a provider that the app has set up, they cost little.

None of them is made current: a plan is a generator, and what runs while it rests is not its part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, get_tracer, set_span_in_context

from songlens.plans import Plan
from songlens.tracing import Trace, Untraced
from songlens_shared.errors import RequestError
from songlens_shared.keys import PartitionKeys, stream_name
from songlens_shared.messages import Reply, Request
from songlens_shared.spans import OK, PUBLISH, RECEIVE, REPLIES, fail, messaging, tell, traceparent_of


def spans_of(tracer: Tracer | None = None) -> Trace:
    """Return how requests are traced, by default by the provider that the app has set up or will.

    Who names a `trace` has spans of his own around the request: it goes as it is.
    """
    used = tracer or get_tracer("songlens")
    return lambda request: Untraced(request) if request.trace is not None else RequestSpans(used, request)


class RequestSpans:
    """The spans of one request, beneath whatever span is current."""

    def __init__(self, tracer: Tracer, request: Request) -> None:
        self._tracer = tracer
        self._request = request
        self._published: Context | None = None

    def publishing(self, queue: Callable[[Request], Plan[bool]]) -> Plan[bool]:
        """Queue the request with this span for its workers' parent."""
        request = self._request
        with self._span(PUBLISH, stream_name(PartitionKeys().requests(request.lane)), SpanKind.PRODUCER) as span:
            self._published = set_span_in_context(span)
            traceparent = traceparent_of(span)
            return (yield from queue(replace(request, trace=traceparent) if traceparent else request))

    def receiving(self, wait: Plan[Reply]) -> Plan[Reply]:
        """Wait, and end the span with the reply's outcome."""
        with self._span(RECEIVE, REPLIES, SpanKind.CLIENT) as span:
            reply = yield from wait
            tell(span, reply.error.code if reply.error else OK)
            return reply

    @contextmanager
    def _span(self, operation: str, destination: str, kind: SpanKind) -> Iterator[Span]:
        attributes = messaging(operation, destination, self._request.id)
        span = self._tracer.start_span(f"{operation} {destination}", self._published, kind, attributes)
        try:
            yield span
        except Exception as error:
            fail(span, error.code if isinstance(error, RequestError) else type(error).__name__)
            raise
        finally:
            span.end()
