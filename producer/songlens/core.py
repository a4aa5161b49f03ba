"""The protocol of a client, without any input or output: the plans that `Client` and `AsyncClient` both run."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, TypedDict

import redis

from songlens.photo import PhotoUri
from songlens.plans import Get, IsCluster, Listen, LoadFunctions, Pause, Plan
from songlens.replies import Channel, Inbox
from songlens.tracing import Trace, Untraced
from songlens_shared import functions
from songlens_shared.broker import BLOCK_MS
from songlens_shared.codec import decode_reply, encode_reply, encode_request_pieces
from songlens_shared.errors import (
    BadRequest,
    BrokerError,
    BrokerUnavailable,
    Cancelled,
    DeadlineExceeded,
    QueueFull,
    UnknownRequest,
)
from songlens_shared.keys import NOTICE, RESULT_TTL_S, PartitionKeys, partition_of
from songlens_shared.messages import FEATURES, FLOAT32, MAX_TTL_MS, Reply, Request, check_name, error_reply
from songlens_shared.server import is_missing_function

DEFAULT_TIMEOUT_S = 30.0

GRACE_S = 2.0
"""How much longer than a request's own deadline a client waits for the word that it has passed."""

_RECONNECT_PAUSE_S = 0.2
_FIRST_POLL_PAUSE_S = 0.02
_LONGEST_POLL_PAUSE_S = 0.5


class RequestOptions(TypedDict, total=False):
    """What an app may ask for with a photo. Bounds: `songlens_shared.messages.BOUNDS`."""

    id: str | None
    """Request id, by default a fresh one. A second submit with the same id is the same request."""

    lane: str
    """interactive (default): somebody waits; bulk: a long queue that never delays the interactive lane."""

    top_k: int
    """Songs wanted, by default 10."""

    images_k: int
    """Nearest catalogue images that songs are taken from, by default 5."""

    songs_per_image: int
    """Songs taken from each of them, by default 2."""

    user: str | None
    """Whom the songs are for: a user of the listening log that the model was built with."""

    user_weight: float | None
    """Share of the user's taste in the ranking, 0 to 1, by default what the song workers are set to."""

    trace: str | None
    """W3C traceparent, by default that of a span which OpenTelemetry makes for the request, where it is set up."""

    timeout_s: float
    """Seconds allowed from the moment the photo is queued, by default 30."""


class FeaturesOptions(TypedDict, total=False):
    """How a program may ask for a photo's features."""

    id: str | None
    """Request id, by default a fresh one."""

    backbone: str | None
    """Fingerprint of the backbone that they must come from, by default whichever the workers have."""

    dtype: str
    """float32 (default), or float16: half the size, rounded."""

    lane: str
    """interactive (default) or bulk, as for songs."""

    trace: str | None
    """W3C traceparent, by default that of a span which OpenTelemetry makes for the request, where it is set up."""

    timeout_s: float
    """Seconds allowed from the moment the photo is queued, by default 30."""


def new_id() -> str:
    """Return a fresh request id."""
    return uuid.uuid4().hex


def _unknown(request_id: str) -> UnknownRequest:
    return UnknownRequest(f"no request {request_id} is known; replies are kept for {RESULT_TTL_S // 60} minutes.")


class ClientCore:
    """The plans of every client operation."""

    def __init__(
        self,
        *,
        name: str | None,
        partitions: int,
        clock: Callable[[], float] = time.monotonic,
        trace: Trace = Untraced,
    ) -> None:
        self.name = check_name("client name", f"client-{new_id()}" if name is None else name)
        self._partitions = [PartitionKeys(partition) for partition in range(partitions)]
        self._clock = clock
        self._trace = trace
        self._streams = tuple(keys.replies(self.name) for keys in self._partitions)
        self.inbox = Inbox(self._streams)

    def _at(self, request_id: str) -> PartitionKeys:
        return self._partitions[partition_of(check_name("request id", request_id), len(self._partitions))]

    def request(
        self, photo: bytes | PhotoUri, *, id: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S, **options: Any
    ) -> Request:
        """Return the request for a photo; raises `BadRequest` for an option out of bounds."""
        if not 0.001 <= timeout_s <= MAX_TTL_MS / 1000:
            raise BadRequest(f"timeout_s must lie between 0.001 and {MAX_TTL_MS // 1000} seconds; got {timeout_s}.")
        id = new_id() if id is None else id
        image, uri = (None, photo.uri) if isinstance(photo, PhotoUri) else (photo, None)
        return Request(id=id, client=self.name, image=image, uri=uri, ttl_ms=round(timeout_s * 1000), **options)

    def features_request(self, photo: bytes | PhotoUri, *, dtype: str = FLOAT32, **options: Any) -> Request:
        """Return the request for a photo's features; raises `BadRequest` for an option out of bounds."""
        return self.request(photo, want=FEATURES, features_dtype=dtype, **options)

    def submit(self, request: Request) -> Plan[bool]:
        """Queue a request. Returns when it is safely in Redis; raises `QueueFull` when the lane refuses it.

        Says whether whoever expected the reply beforehand will hear of it: the request is new, and its reply to come.
        """
        return self._trace(request).publishing(self._queue)

    def _queue(self, request: Request) -> Plan[bool]:
        call = functions.submit(self._at(request.id), request, encode_request_pieces(request))
        try:
            response = yield from self._call(call)
        except BrokerError as error:
            if isinstance(error.__cause__, redis.OutOfMemoryError):
                raise QueueFull("Redis has reached its memory limit; try again later.") from error
            raise
        if response[0] == b"full":
            raise QueueFull(
                f"the {request.lane} lane is full ({response[2]} requests, {response[3]} bytes wait); "
                f"try again in {response[1]} ms.",
                retry_after_ms=int(response[1]),
            )
        heard_of = self.inbox.skip_to(int(response[1]))
        return response[0] == b"accepted" and heard_of

    def _call(self, call: functions.Call) -> Plan[Any]:
        try:
            return (yield call)
        except redis.ResponseError as error:
            if not is_missing_function(error):
                raise
        yield LoadFunctions()
        return (yield call)

    def fetch(self, request_id: str) -> Plan[Reply | None]:
        """Return the stored reply, or None while the request is in flight; raises `UnknownRequest`."""
        stored = yield Get(self._at(request_id).result(request_id))
        if stored is None:
            raise _unknown(request_id)
        return decode_reply(stored) if stored else None

    def cancel(self, request_id: str) -> Plan[bool]:
        """Take a request back. False where it has been answered; raises `UnknownRequest`."""
        reply = encode_reply(error_reply(request_id, Cancelled()))
        outcome = yield from self._call(functions.cancel(self._at(request_id), request_id, reply))
        if outcome < 0:
            raise _unknown(request_id)
        return bool(outcome)

    def recommend(self, request: Request) -> Plan[Reply]:
        """Queue a request and wait for its reply; raises what `submit` and `wait` raise."""
        trace = self._trace(request)
        with self.inbox.expecting(request.id):
            heard_of = yield from trace.publishing(self._queue)
            wait = self._wait(request.id, request.ttl_ms / 1000 + GRACE_S, ask=not heard_of)
            return (yield from trace.receiving(wait))

    def wait(self, request_id: str, timeout_s: float) -> Plan[Reply]:
        """Wait for the reply to a request of this client; raises `DeadlineExceeded`."""
        with self.inbox.expecting(request_id):
            return (yield from self._wait(request_id, timeout_s, ask=True))

    def _wait(self, request_id: str, timeout_s: float, *, ask: bool) -> Plan[Reply]:
        def listen(left_s: float) -> Plan[Reply | None]:
            return self._listen(request_id, left_s)

        return self._until_answered(request_id, timeout_s, listen, ask=ask)

    def poll(self, request_id: str, timeout_s: float) -> Plan[Reply]:
        """Wait for the reply to any request by its id alone, as another process does; raises `DeadlineExceeded`."""
        pause_s = _FIRST_POLL_PAUSE_S

        def pause(left_s: float) -> Plan[None]:
            nonlocal pause_s
            yield Pause(min(pause_s, left_s))
            pause_s = min(_LONGEST_POLL_PAUSE_S, pause_s * 1.5)

        # Asked once outside: a server that was never there is told at once, one that goes away meanwhile is waited for.
        reply = yield from self.fetch(request_id)
        return reply or (yield from self._until_answered(request_id, timeout_s, pause))

    def _until_answered(
        self, request_id: str, timeout_s: float, rest: Callable[[float], Plan[Reply | None]], *, ask: bool = True
    ) -> Plan[Reply]:
        """Ask, rest, and ask again until the reply is there, over lost connections too; without `ask`, rest first."""
        until = self._clock() + timeout_s
        reply = None
        while True:
            try:
                # Asked again after every rest: the reply may have been there before anyone listened.
                if ask:
                    reply = yield from self.fetch(request_id)
                ask = True
                if reply is None and self._clock() < until:
                    reply = yield from rest(until - self._clock())
            except BrokerUnavailable:
                if self._clock() + _RECONNECT_PAUSE_S >= until:
                    raise
                yield Pause(_RECONNECT_PAUSE_S)
            if reply is not None:
                return reply
            if self._clock() >= until:
                raise DeadlineExceeded(
                    f"no answer to request {request_id} within {timeout_s:.1f} s; "
                    "check with `songlens doctor` that workers are running."
                )

    def _listen(self, request_id: str, left_s: float) -> Plan[Reply | None]:
        """Listen until the reply comes or the channel has been quiet for a while."""
        apart = yield IsCluster()
        streams = (self._at(request_id).replies(self.name),) if apart else self._streams
        quiet_until = self._clock() + min(left_s, BLOCK_MS / 1000)
        while (payload := self.inbox.arrived(request_id)) is None:
            left_ms = int((quiet_until - self._clock()) * 1000)
            if left_ms <= 0:
                return None
            yield Listen(request_id, streams, left_ms)
        return decode_reply(payload) if payload != NOTICE else None  # whoever is told so asks for it

    def channel(self, cursor: str, quiet_s: float | None) -> Channel:
        """Return a reader of this client's durable reply channels; raises `ConfigError` for what is no cursor."""
        return Channel(self._streams, cursor, quiet_s, self._clock)
