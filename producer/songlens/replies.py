"""Reading a client's reply channels: for whoever waits for one request, and for whoever consumes them all."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from songlens.plans import IsCluster, Pause, Plan, ReadReplies
from songlens.recommendation import Recommendation
from songlens_shared.broker import BLOCK_MS
from songlens_shared.codec import decode_reply
from songlens_shared.errors import ConfigError, RequestError
from songlens_shared.keys import NOTICE
from songlens_shared.messages import Reply, error_reply
from songlens_shared.streams import stream_entries

BEGINNING = "0"
_TURN_S = 0.02
_STREAM_ID = re.compile(r"\d{1,20}(-\d{1,20})?")


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
class _Expected:
    waiters: int = 0
    payload: bytes | None = None


class Inbox:
    """Replies that someone in this process waits for, and how far the reply channels have been read. Thread-safe."""

    def __init__(self, streams: Sequence[str]) -> None:
        self._cursors: dict[Any, Any] = dict.fromkeys(streams, BEGINNING)
        self._expected: dict[str, _Expected] = {}
        self._since_ms: int | None = None
        self._lock = threading.Lock()

    def positions(self, streams: Sequence[str]) -> dict[Any, Any]:
        """Return how far these channels have been read."""
        with self._lock:
            return {stream: self._cursors[stream] for stream in streams}

    def skip_to(self, server_ms: int) -> bool:
        """Start here instead of at the beginning: a named client's channels may hold thousands of its past replies.

        Says whether every reply from then on is read: not where another request, queued later, told us sooner.
        """
        with self._lock:
            if self._since_ms is None:
                self._since_ms = server_ms
                self._cursors = dict.fromkeys(self._cursors, f"{server_ms - 1}-0")
            return server_ms >= self._since_ms

    @contextmanager
    def expecting(self, request_id: str) -> Iterator[None]:
        """Keep the reply to this request when it comes, until the last who expects it has left."""
        with self._lock:
            expected = self._expected.setdefault(request_id, _Expected())
            expected.waiters += 1
        try:
            yield
        finally:
            with self._lock:
                expected.waiters -= 1
                if not expected.waiters:
                    del self._expected[request_id]

    def arrived(self, request_id: str) -> bytes | None:
        """Return the reply, not decoded, if it has come."""
        with self._lock:
            expected = self._expected.get(request_id)
            return expected.payload if expected else None

    def feed(self, response: Any) -> list[str]:
        """Take what XREAD returned from the reply channels; return the requests among them that somebody waits for."""
        arrived = []
        with self._lock:
            for stream, replies in stream_entries(response):
                for entry_id, fields in replies:
                    self._cursors[stream] = entry_id.decode()
                    request_id = fields.get(b"id", b"").decode(errors="replace")
                    if expected := self._expected.get(request_id):
                        expected.payload = fields.get(b"m", b"")
                        arrived.append(request_id)
        return arrived


class Channel:
    """Consumes the reply channels from a saved cursor on."""

    def __init__(self, streams: Sequence[str], cursor: str, quiet_s: float | None, clock: Callable[[], float]) -> None:
        self._positions = _positions(streams, cursor)
        self._quiet_s = quiet_s
        self._clock = clock
        self._listening_since: float | None = None
        self._turn = 0
        self.ended = False

    def read(self) -> Plan[list[Received]]:
        """Return the next replies, waiting a moment for the first. Sets `ended` after `quiet_s` seconds without one.

        A notice is passed over: what it tells of is kept for a minute, for the one who waits.
        """
        # Counted from the first read, not from the last reply: what the consumer did in between was not silence.
        since = self._listening_since = self._clock() if self._listening_since is None else self._listening_since
        response = yield from self._read(since)
        told = [(stream, *entry) for stream, entries in stream_entries(response) for entry in entries]
        received = [found for entry in told if (found := self._received(*entry)) is not None]
        if received:
            self._listening_since = None
        elif self._quiet_s is not None:
            self.ended = self._clock() - since >= self._quiet_s
        return received

    def _read(self, since: float) -> Plan[Any]:
        if len(self._positions) == 1 or not (yield IsCluster()):
            return (yield ReadReplies(dict(self._positions), self._block_ms(since)))
        # Nothing waits for several partitions of a cluster at once.
        for stream, cursor in self._turns():
            if response := (yield ReadReplies({stream: cursor}, None)):
                return response
        yield Pause(min(_TURN_S, self._block_ms(since) / 1000))
        return None

    def _turns(self) -> list[tuple[str, str]]:
        """No partition is always the first to be asked, or a busy one would keep the others waiting."""
        self._turn = (self._turn + 1) % len(self._positions)
        positions = list(self._positions.items())
        return [*positions[self._turn :], *positions[: self._turn]]

    def _block_ms(self, since: float) -> int:
        if self._quiet_s is None:
            return BLOCK_MS
        left_s = self._quiet_s - (self._clock() - since)
        return min(BLOCK_MS, max(1, int(left_s * 1000)))  # BLOCK 0 would wait for ever

    def _received(self, stream: str, entry_id: bytes, fields: dict[bytes, bytes]) -> Received | None:
        self._positions[stream] = entry_id.decode()
        if fields.get(b"m") == NOTICE:
            return None
        try:
            reply = decode_reply(fields.get(b"m", b""))
        except RequestError as error:
            # Raised here, it would stop the consumer at this cursor for ever.
            reply = error_reply(fields.get(b"id", b"").decode(errors="replace"), error)
        return Received(cursor=",".join(self._positions.values()), reply=reply)


def _positions(streams: Sequence[str], cursor: str) -> dict[str, str]:
    """A cursor is one stream id for each partition, joined by commas; `0` is the beginning of them all."""
    ids = cursor.split(",") if cursor != BEGINNING else [BEGINNING] * len(streams)
    if len(ids) != len(streams) or not all(_STREAM_ID.fullmatch(id) for id in ids):
        raise ConfigError(f"{cursor!r} is not a cursor of a client with {len(streams)} partitions; start from '0'.")
    return dict(zip(streams, ids, strict=True))
