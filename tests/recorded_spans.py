"""Spans as a test sees them: kept in memory, by OpenTelemetry's own SDK."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = PARENT[:-1] + "0"
TRACE_ID = PARENT.split("-")[1]


class Recorded:
    """A tracer provider of its own, and what it has exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    def all(self) -> list[ReadableSpan]:
        """Return the spans in the order in which they ended."""
        return list(self._exporter.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        """Return the only span of this name."""
        (span,) = [span for span in self.all() if span.name == name]
        return span

    def as_the_apps(self, patch: pytest.MonkeyPatch) -> None:
        """Be the provider that an app has set up; OpenTelemetry takes one in a process' life."""
        patch.setattr(trace, "_TRACER_PROVIDER", self.provider)


def names(spans: list[ReadableSpan]) -> list[str]:
    return [span.name for span in spans]


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def failed(span: ReadableSpan) -> bool:
    return not span.status.is_ok and not span.status.is_unset
