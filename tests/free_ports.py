"""Ports of loopback for servers that the tests start, which nobody else takes before they listen.

They lie below those that the kernel gives to whoever asks for any, and to outgoing connections; each worker of pytest
has its own.
"""

from __future__ import annotations

import os
import socket
from itertools import cycle

_EACH = 2_000
_FIRST = 11_000 + _EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_begin = os.getpid() % _EACH
_ports = cycle([_FIRST + (_begin + number) % _EACH for number in range(_EACH)])


def free_port() -> int:
    """Return a port that nobody listens on. It is not returned again before all others."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the ports go round")


def free_ports_in_a_row(count: int) -> int:
    """Return the first of so many."""
    first = last = free_port()
    while last < first + count - 1:
        following = free_port()
        first, last = (first, following) if following == last + 1 else (following, following)
    return first
