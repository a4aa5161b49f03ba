"""The arguments of each Redis function, in the order that functions.lua reads them.

A `Call` is data: the sync client, the asynchronous client and the workers' pipelines all send the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from songlens_shared import keys
from songlens_shared.keys import PartitionKeys
from songlens_shared.messages import Request

Argument = str | bytes | int | tuple[bytes, ...]
"""A tuple is one argument in several pieces: whoever sends it joins them, so that a photo is copied no sooner."""


@dataclass(frozen=True)
class Call:
    """One FCALL: function name, keys, arguments."""

    function: str
    keys: tuple[str, ...]
    args: tuple[Argument, ...]

    def words(self) -> tuple[Argument, ...]:
        """Return the call as the server reads it."""
        return "FCALL", self.function, len(self.keys), *self.keys, *self.args

    def on(self, connection: Any) -> Any:
        """Send the call by a redis client or pipeline, sync or asynchronous, and return what it returns."""
        whole = (b"".join(word) if isinstance(word, tuple) else word for word in self.words())
        return connection.execute_command(*whole)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One stream entry as a worker holds it: where it lies, and whose request it is."""

    keys: PartitionKeys
    stream: str
    group: str
    entry_id: bytes
    payload: bytes = field(repr=False)
    request_id: str
    client: str
    deadline_ms: int
    """Redis server time."""

    deliveries: int = 1

    @property
    def entered_ms(self) -> int:
        """Redis server time at which the entry was written: the first half of a stream id."""
        return int(self.entry_id.split(b"-", 1)[0])

    @property
    def lane(self) -> str:
        """The lane of the stream in which the entry lies."""
        return self.keys.lane_of(self.stream)

    def _source(self) -> tuple[str, str]:
        return self.stream, self.keys.bytes_of(self.stream)

    def _taken_off(self) -> tuple[Argument, ...]:
        return self.group, self.entry_id, len(self.payload)


def library_source() -> str:
    """Return the text of the Redis Functions library."""
    return files("songlens_shared").joinpath("functions.lua").read_text(encoding="utf-8")


def submit(at: PartitionKeys, request: Request, payload: bytes | tuple[bytes, ...]) -> Call:
    """Queue a request: refused when the lane is full, once per id."""
    stream = at.requests(request.lane)
    return Call(
        "songlens_submit",
        (
            *(stream, at.bytes_of(stream), at.result(request.id), at.limits, at.place(request.id)),
            *_user(at, request.user),
        ),
        (
            *(request.lane, request.id, request.client, payload, request.ttl_ms, keys.RESULT_TTL_S),
            keys.REPLIES_TTL_S,
        ),
    )


def _user(at: PartitionKeys, user: str | None) -> tuple[str, ...]:
    return () if user is None else (at.user(user),)


def hand_over(delivery: Delivery, next_stream: str, payload: bytes) -> Call:
    """Write the next stage's entry and end this one."""
    return Call(
        "songlens_hand_over",
        (
            *delivery._source(),
            next_stream,
            delivery.keys.bytes_of(next_stream),
            delivery.keys.place(delivery.request_id),
        ),
        (
            *delivery._taken_off(),
            delivery.request_id,
            delivery.client,
            delivery.deadline_ms,
            payload,
        ),
    )


def _answer(
    delivery: Delivery, reply: bytes, *, result_ttl_s: int = keys.RESULT_TTL_S
) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
    at = delivery.keys
    return (
        (*delivery._source(), at.result(delivery.request_id), at.replies(delivery.client)),
        (
            *delivery._taken_off(),
            delivery.request_id,
            at.reply_channel(delivery.client),
            reply,
            result_ttl_s,
            keys.REPLIES_TTL_S,
            keys.REPLIES_MAX_LENGTH,
        ),
    )


def finish(delivery: Delivery, reply: bytes) -> Call:
    """Store and publish the one reply, and end the entry."""
    answer_keys, answer_args = _answer(delivery, reply)
    return Call("songlens_finish", (*answer_keys, delivery.keys.place(delivery.request_id)), answer_args)


def finish_with_notice(delivery: Delivery, reply: bytes) -> Call:
    """Store the one reply for a short while, tell the client that it is there, and end the entry.

    For a reply too large to be kept in a reply channel for a day.
    """
    answer_keys, answer_args = _answer(delivery, reply, result_ttl_s=keys.FEATURES_TTL_S)
    return Call(
        "songlens_finish", (*answer_keys, delivery.keys.place(delivery.request_id)), (*answer_args, keys.NOTICE)
    )


def bury(
    delivery: Delivery,
    reply: bytes,
    *,
    stage: str,
    error: str,
    keep_payload: bool = True,
    dead_ttl_s: int = keys.DEAD_TTL_S,
) -> Call:
    """Keep the entry as a dead letter, store and publish the error reply, and end the entry.

    Without its payload a letter tells what went wrong, and cannot be replayed.
    """
    answer_keys, answer_args = _answer(delivery, reply)
    return Call(
        "songlens_bury",
        (*answer_keys, delivery.keys.dead, delivery.keys.place(delivery.request_id)),
        (
            *answer_args,
            delivery.client,
            delivery.deadline_ms,
            stage,
            error,
            delivery.deliveries,
            keys.DEAD_MAX_LENGTH,
            delivery.payload if keep_payload else b"",
            dead_ttl_s,
        ),
    )


def cancel(at: PartitionKeys, request_id: str, reply: bytes, *, seen: tuple[str, bytes] | None = None) -> Call:
    """Take a request out, wherever it lies, and store and publish `reply` as its answer.

    `seen`: stream and entry in which the caller has found it, for one whose place may be unknown to Redis.
    """
    return Call(
        "songlens_cancel",
        (at.result(request_id), at.place(request_id)),
        (
            request_id,
            reply,
            keys.RESULT_TTL_S,
            keys.REPLIES_TTL_S,
            keys.REPLIES_MAX_LENGTH,
            keys.VISION_GROUP,
            keys.SONGS_GROUP,
            *(() if seen is None else (f"{seen[0]} {seen[1].decode()}",)),
        ),
    )


def replay(
    at: PartitionKeys, letter_id: bytes, letter: Mapping[bytes, bytes], *, ttl_ms: int, user: str | None = None
) -> Call:
    """Put a dead letter, as XRANGE gives it, back at the start of its stage, with `ttl_ms` from now to be answered.

    `user`: the one that its payload names, if any.
    """
    source, request_id = letter[b"source"].decode(), letter[b"id"].decode()
    return Call(
        "songlens_replay",
        (
            *(at.dead, source, at.bytes_of(source), at.result(request_id), at.place(request_id)),
            *_user(at, user),
        ),
        (letter_id, ttl_ms, keys.RESULT_TTL_S, keys.REPLIES_TTL_S),
    )
