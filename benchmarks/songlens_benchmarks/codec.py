"""Messages to bytes and back, beside msgpack alone, which checks nothing, and beside a plain copy of the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgpack

from songlens_benchmarks import example_messages
from songlens_benchmarks.limits import copy_bytes_per_s
from songlens_benchmarks.row import Effort, Reference, Row
from songlens_benchmarks.turns import in_turns, rate
from songlens_shared import codec

_REPEATS = 200
_KINDS: dict[str, tuple[Any, Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "request of 100 KB": (example_messages.request(), codec.encode_request, codec.decode_request),
    "hits": (example_messages.hits(), codec.encode_hits, codec.decode_hits),
    "reply": (example_messages.reply(), codec.encode_reply, codec.decode_reply),
}


def run(effort: Effort) -> Iterator[Row]:
    """Yield messages a second, of each kind and in each direction."""
    for name, (message, encode, decode) in _KINDS.items():
        payload = encode(message)
        if decode(payload) != message:
            raise AssertionError(f"the {name} is not what it was")
        plain = msgpack.unpackb(payload)
        directions = {
            "encode": (partial(encode, message), partial(msgpack.packb, plain)),
            "decode": (partial(decode, payload), partial(msgpack.unpackb, payload)),
        }
        for direction, (ours, theirs) in directions.items():
            yield _row(f"{direction} {name}", len(payload), ours, theirs, effort)


def _row(what: str, size_bytes: int, ours: Callable[[], object], theirs: Callable[[], object], effort: Effort) -> Row:
    least_s = 0.05 if effort.quick else 0.3
    found = in_turns(
        {
            "ours": lambda: rate(_repeated(ours), _REPEATS, least_s=least_s),
            "msgpack": lambda: rate(_repeated(theirs), _REPEATS, least_s=least_s),
            "copy": lambda: copy_bytes_per_s(size_bytes=size_bytes, seconds=least_s) / size_bytes,
        },
        effort.rounds,
    )
    return Row(
        what=what,
        value=found["ours"],
        unit="messages/s",
        baseline=Reference("msgpack alone", found["msgpack"]),
        limit=Reference("a plain copy", found["copy"]),
        note=f"{size_bytes} bytes: {found['ours'] * size_bytes / 1e9:.2f} GB/s.",
    )


def _repeated(work: Callable[[], object]) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(_REPEATS):
            work()

    return repeat
