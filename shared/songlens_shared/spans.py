"""What the spans of client and workers have in common. Needs OpenTelemetry's API; import it where that is there.

Names follow the semantic conventions for messaging (https://opentelemetry.io/docs/specs/semconv/messaging/); what they
have no word for is `songlens.*`. No span holds a photo, its uri, a user, or an error's sentence, which may quote input.
"""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

PUBLISH, PROCESS, RECEIVE = "publish", "process", "receive"

REPLIES = "replies"
"""Every client's reply channel: with the client's name in it, each client would have a span name of its own."""

OK = "ok"

_TYPES = {PUBLISH: "send", PROCESS: "process", RECEIVE: "receive"}
_FIELD = "traceparent"
_W3C = TraceContextTextMapPropagator()


def context_of(traceparent: str | None) -> Context:
    """Return the context that a message was sent in; an empty one, in which a trace begins, for what is none."""
    return _W3C.extract({_FIELD: traceparent} if traceparent else {}, Context())


def traceparent_of(span: Span) -> str | None:
    """Return what a message carries so that its receiver's span becomes a child of this one; None without a trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def messaging(operation: str, destination: str, request_id: str) -> dict[str, str]:
    """Return the attributes of every span: what is done, to which stream, for which request."""
    return {
        "messaging.system": "redis",
        "messaging.operation.name": operation,
        "messaging.operation.type": _TYPES[operation],
        "messaging.destination.name": destination,
        "messaging.message.conversation_id": request_id,
    }


def tell(span: Span, code: str) -> None:
    """Tell a span the outcome of its request: ok, or the code of its error."""
    span.set_attribute("songlens.code", code)
    if code != OK:
        fail(span, code)


def fail(span: Span, error_type: str) -> None:
    """Mark a span as failed."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))
