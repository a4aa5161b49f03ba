"""Ports of loopback for servers that the tests start, which nobody else takes before they listen.

They lie below those that the kernel gives to whoever asks for any, and to outgoing connections; each of up to 36
workers of pytest has its own.
"""

from __future__ import annotations

import os
import socket
from itertools import cycle, islice

_EACH = 600
_FIRST = 11_000 + _EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_begin = os.getpid() % _EACH
_ports = cycle([_FIRST + (_begin + number) % _EACH for number in range(_EACH)])


def free_port() -> int:
    """Return a port that nobody listens on. It is not returned again before all others."""
    for port in islice(_ports, _EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of {_EACH} ports from {_FIRST} on is free")


def free_ports_in_a_row(count: int) -> int:
    """Return the first of so many."""
    first = last = free_port()
    while last < first + count - 1:
        following = free_port()
        first, last = (first, following) if following == last + 1 else (following, following)
    return first
