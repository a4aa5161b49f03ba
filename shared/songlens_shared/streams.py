"""Reading what XREAD and XREADGROUP return: redis-py gives lists or maps, by the protocol that was negotiated."""

from __future__ import annotations

from typing import Any

Fields = dict[bytes, bytes]
Entry = tuple[bytes, Fields]


def stream_entries(response: Any) -> list[tuple[str, list[Entry]]]:
    """Return (stream, entries) for each stream that had any; an empty list where the wait ended without one."""
    if not response:
        return []
    if not isinstance(response, dict):
        return [(stream.decode(), list(entries)) for stream, entries in response]
    # RESP3 wraps the entries of a stream in one more list.
    return [(stream.decode(), [entry for page in pages for entry in page]) for stream, pages in response.items()]
