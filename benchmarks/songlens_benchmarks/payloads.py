"""Photos of no meaning, each with a mark by which its reply can be told from any other's."""

from __future__ import annotations

import os

PAYLOAD_BYTES = 100_000
_MARK_BYTES = 8


def payloads(count: int, size_bytes: int = PAYLOAD_BYTES) -> list[bytes]:
    """Return so many random payloads."""
    return [os.urandom(size_bytes) for _ in range(count)]


def mark(payload: bytes) -> str:
    """Return what tells a payload from the others: its two ends, so that one cut short is seen."""
    return payload[:_MARK_BYTES].hex() + payload[-_MARK_BYTES:].hex()
