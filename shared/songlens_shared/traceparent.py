"""A W3C traceparent, as the field `trace` of requests and hits carries it: VERSION-TRACE-PARENT-FLAGS.

https://www.w3.org/TR/trace-context/#traceparent-header. It comes from strangers: what is none is passed over.
"""

from __future__ import annotations

import re

_FORMAT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace id, 32 hex digits, or None of what is no traceparent."""
    match = _FORMAT.fullmatch(traceparent or "")
    return match[1] if match else None


def sampled_trace_id(traceparent: str | None) -> str | None:
    """Return the trace id where its flags say that somebody keeps the trace, or None."""
    match = _FORMAT.fullmatch(traceparent or "")
    return match[1] if match and int(match[2], 16) & _SAMPLED else None
