"""The protocol of a client, without any input or output: what `Client` and `AsyncClient` both run.

Each operation is a generator, a *plan*. It yields one command at a time and is sent the result (or thrown the error);
a driver that knows how to execute the few commands below is all that a synchronous or asynchronous client adds.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis

from songlens.recommendation import Recommendation
from songlens_shared import functions
from songlens_shared.broker import BLOCK_MS, is_missing_function
from songlens_shared.codec import decode_reply, encode_request
from songlens_shared.errors import BrokerUnavailable, ConfigError, DeadlineExceeded, QueueFull, UnknownRequest
from songlens_shared.functions import Call
from songlens_shared.keys import RESULT_TTL_S, PartitionKeys, partition_of
from songlens_shared.messages import Reply, Request, check_name
from songlens_shared.streams import stream_entries

T = TypeVar("T")

GRACE_S = 2.0
"""How much longer than a request's own deadline a client waits for the word that it has passed."""


@dataclass(frozen=True)
class Get:
    """Read a string key."""

    key: str


@dataclass(frozen=True)
class LoadFunctions:
    """Load the functions library."""


@dataclass(frozen=True)
class Pause:
    """Wait for so long."""

    seconds: float


@dataclass(frozen=True)
class ReadReplies:
    """Read the reply channels past these cursors, waiting up to `block_ms` for the first reply."""

    cursors: dict[Any, Any]
    block_ms: int


@dataclass(frozen=True)
class Listen:
    """Let the client's one reader feed the inbox once: many waiting requests share a single connection."""

    block_ms: int


Command = Call | Get | LoadFunctions | Pause | ReadReplies | Listen
Plan = Generator[Command, Any, T]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One reply from the durable reply channel."""

    cursor: str
    """Save this when the reply has been dealt with, and go on from it after a restart."""

    reply: Reply

    @property
    def id(self) -> str:
        """The request's id."""
        return self.reply.id

    def recommendation(self) -> Recommendation:
        """Return the songs, or raise the typed error that the request ended with."""
        return Recommendation.from_reply(self.reply)


@dataclass
class Inbox:
    """Replies that someone in this process waits for, and how far the reply channels have been read."""

    cursors: dict[Any, Any]
    _waiting: dict[str, Reply | None] = field(default_factory=dict)

    def expect(self, request_id: str) -> None:
        """Keep the reply to this request when it comes."""
        self._waiting.setdefault(request_id, None)

    def forget(self, request_id: str) -> None:
        """Nobody waits for this request any more."""
        self._waiting.pop(request_id, None)

    def arrived(self, request_id: str) -> Reply | None:
        """Return the reply if it has come."""
        return self._waiting.get(request_id)

    def feed(self, response: Any) -> None:
        """Take what XREAD returned from the reply channels."""
        for stream, replies in stream_entries(response):
            for entry_id, fields in replies:
                self.cursors[stream] = entry_id.decode()
                request_id = fields[b"id"].decode()
                if request_id in self._waiting:
                    self._waiting[request_id] = decode_reply(fields[b"m"])


def new_id() -> str:
    """Return a fresh request id."""
    return uuid.uuid4().hex


class ClientCore:
    """The plans of every client operation."""

    def __init__(self, *, name: str | None, partitions: int, clock: Callable[[], float] = time.monotonic) -> None:
        if partitions < 1:
            raise ConfigError(f"partitions must be at least 1; got {partitions}.")
        self.name = check_name("client name", name or f"client-{new_id()}")
        self._partitions = [PartitionKeys(partition) for partition in range(partitions)]
        self._clock = clock
        self.inbox = Inbox({keys.replies(self.name): "0" for keys in self._partitions})

    def _at(self, request_id: str) -> PartitionKeys:
        return self._partitions[partition_of(request_id, len(self._partitions))]

    def request(self, image: bytes, *, id: str | None, timeout_s: float, **options: Any) -> Request:
        """Return the request for a photo; raises `BadRequest` for an option out of bounds."""
        ttl_ms = round(timeout_s * 1000)
        return Request(id=id or new_id(), client=self.name, image=image, ttl_ms=ttl_ms, **options)

    def submit(self, request: Request) -> Plan[None]:
        """Queue a request. Returns when it is safely in Redis; raises `QueueFull` when the lane refuses it."""
        call = functions.submit(self._at(request.id), request, encode_request(request))
        try:
            response = yield call
        except redis.ResponseError as error:
            if not is_missing_function(error):
                raise
            yield LoadFunctions()
            response = yield call
        if response[0] == b"full":
            raise QueueFull(
                f"the {request.lane} lane is full ({response[2]} requests, {response[3]} bytes wait); "
                f"try again in {response[1]} ms.",
                retry_after_ms=int(response[1]),
            )
        self._skip_older_replies(request.id, int(response[1]))

    def _skip_older_replies(self, request_id: str, server_ms: int) -> None:
        """A named client's channel may hold thousands of replies of its past; none of them can answer a new request."""
        stream = self._at(request_id).replies(self.name)
        if self.inbox.cursors[stream] == "0":
            self.inbox.cursors[stream] = f"{server_ms - 1}-0"

    def fetch(self, request_id: str) -> Plan[Reply | None]:
        """Return the stored reply, or None while the request is in flight; raises `UnknownRequest`."""
        stored = yield Get(self._at(request_id).result(request_id))
        if stored is None:
            raise UnknownRequest(
                f"no request {request_id} is known; replies are kept for {RESULT_TTL_S // 60} minutes."
            )
        return decode_reply(stored) if stored else None

    def wait(self, request_id: str, timeout_s: float) -> Plan[Reply]:
        """Wait for the reply to a request of this client, over lost connections too; raises `DeadlineExceeded`."""
        until = self._clock() + timeout_s
        self.inbox.expect(request_id)
        try:
            while True:
                try:
                    # Asked again after every quiet spell: the reply may have been there before anyone listened.
                    reply = yield from self.fetch(request_id)
                    if reply is None:
                        reply = yield from self._listen_for(request_id, until)
                    if reply is not None:
                        return reply
                except BrokerUnavailable:
                    if self._clock() >= until:
                        raise
                    yield Pause(0.2)
                if self._clock() >= until:
                    raise DeadlineExceeded(
                        f"no answer within {timeout_s:.1f} s; check with `songlens doctor` that workers are running."
                    )
        finally:
            self.inbox.forget(request_id)

    def _listen_for(self, request_id: str, until: float) -> Plan[Reply | None]:
        quiet_until = min(until, self._clock() + BLOCK_MS / 1000)
        while (reply := self.inbox.arrived(request_id)) is None:
            left_ms = int((quiet_until - self._clock()) * 1000)
            if left_ms <= 0:
                return None
            yield Listen(left_ms)
        return reply

    def poll(self, request_id: str, timeout_s: float) -> Plan[Reply]:
        """Wait for the reply to any request by its id alone, as another process does; raises `DeadlineExceeded`."""
        until = self._clock() + timeout_s
        pause_s = 0.02
        while (reply := (yield from self.fetch(request_id))) is None:
            if self._clock() >= until:
                raise DeadlineExceeded(f"request {request_id} is still in flight after {timeout_s:.1f} s.")
            yield Pause(pause_s)
            pause_s = min(0.5, pause_s * 1.5)
        return reply

    def read_channel(self, cursor: str, block_ms: int) -> Plan[list[Received]]:
        """Read the durable reply channel once, past a cursor."""
        position = self._positions(cursor)
        response = yield ReadReplies(dict(position), block_ms)
        received = []
        for stream, replies in stream_entries(response):
            for entry_id, fields in replies:
                position[stream] = entry_id.decode()
                received.append(Received(cursor=",".join(position.values()), reply=decode_reply(fields[b"m"])))
        return received

    def _positions(self, cursor: str) -> dict[str, str]:
        """A cursor is one stream id for each partition, joined by commas; `0` is the beginning of them all."""
        ids = cursor.split(",") if cursor != "0" else ["0"] * len(self._partitions)
        if len(ids) != len(self._partitions) or "$" in cursor:
            raise ConfigError(f"{cursor!r} is not a cursor of this client; start from '0'.")
        return {keys.replies(self.name): id for keys, id in zip(self._partitions, ids, strict=True)}
