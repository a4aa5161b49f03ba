"""The client's part in a trace, where the app has one: a span for publishing a photo, another until its reply is there.

The app decides by what OpenTelemetry it installs and sets up; without any, requests go as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from songlens.plans import Plan
from songlens_shared.messages import Reply, Request


class RequestTrace(Protocol):
    """The spans around one request."""

    def publishing(self, queue: Callable[[Request], Plan[bool]]) -> Plan[bool]:
        """Run what queues the request, which is handed over as it shall be sent."""

    def receiving(self, wait: Plan[Reply]) -> Plan[Reply]:
        """Run what waits for its reply."""


@dataclass(frozen=True)
class Untraced:
    """No spans."""

    request: Request

    def publishing(self, queue: Callable[[Request], Plan[bool]]) -> Plan[bool]:
        """Queue it."""
        return queue(self.request)

    def receiving(self, wait: Plan[Reply]) -> Plan[Reply]:
        """Wait."""
        return wait


Trace = Callable[[Request], RequestTrace]
"""Begins the trace of a request."""


def app_trace() -> Trace:
    """Return how requests are traced: by the app's tracer provider where OpenTelemetry is installed."""
    try:
        from songlens.spans import spans_of
    except ImportError:
        return Untraced
    return spans_of()
