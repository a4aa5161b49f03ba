"""Users, as an operator deals with them: everything that Redis holds of one is removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import redis

from songlens_shared import functions
from songlens_shared.codec import encode_reply, user_of
from songlens_shared.errors import Cancelled, ConfigError
from songlens_shared.keys import EVERY_REPLIES, EVERY_USER_VECTORS, LANES, REPLIES_TTL_S, PartitionKeys
from songlens_shared.messages import error_reply
from songlens_shared.pipelines import results_of
from songlens_shared.streams import Entry
from songlens_workers.dead_letters import DeadLetters
from songlens_workers.models.forgotten import ForgottenUsers
from songlens_workers.runtime.clock import ServerClock

_KEYS_PAGE = 1000
_REPLIES_PAGE = 500
_PHOTOS_PAGE = 8


@dataclass(frozen=True, kw_only=True)
class Removed:
    """How much there was of a user."""

    vectors: int = 0
    """NE vectors, one for each published version that knew the user."""

    cancelled: int = 0
    """Requests in flight, which were answered `cancelled`."""

    results: int = 0
    replies: int = 0
    dead_letters: int = 0

    def __add__(self, other: Removed) -> Removed:
        pairs = zip(self.__dataclass_fields__, astuple(self), astuple(other), strict=True)
        return Removed(**{name: mine + theirs for name, mine, theirs in pairs})

    def __bool__(self) -> bool:
        return any(astuple(self))


class Users:
    """The users of one Redis. A user is a text of any kind; raises `ConfigError` for one that no request can name."""

    def __init__(self, connection: redis.Redis, *, partitions: int) -> None:
        self._redis = connection
        self._partitions = [PartitionKeys(partition) for partition in range(partitions)]
        self._forgotten = ForgottenUsers(connection)
        self._dead = DeadLetters(connection, partitions=partitions)

    def forget(self, user: str) -> Removed:
        """Remove everything of a user, and have later versions published without. Safe beside running workers.

        May be broken off and done again.
        """
        _check(user)
        self._forgotten.add(user)
        removed = Removed(vectors=self._remove_vectors(user))
        self._forgotten.tell_workers()
        self._trim_replies()
        return sum((self._remove_requests(at, user) for at in self._partitions), removed)

    def allow(self, user: str) -> bool:
        """Let a forgotten user be published again, with the next version. False where nobody had forgotten the user."""
        _check(user)
        return self._forgotten.remove(user)

    def _remove_vectors(self, user: str) -> int:
        """Look at every version's hashes, whatever is on the list of versions: publishing one may have broken off."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in self._redis.scan_iter(match=EVERY_USER_VECTORS, count=_KEYS_PAGE):
            pipeline.hdel(key, user)
        return sum(results_of(pipeline))

    def _trim_replies(self) -> None:
        """Delete replies that are past their time, in channels that no later reply has trimmed.

        Their requests are no longer noted, so nobody could say whose they are.
        """
        clock = ServerClock()
        clock.sync(self._redis)
        oldest_ms = clock.now_ms() - REPLIES_TTL_S * 1000
        pipeline = self._redis.pipeline(transaction=False)
        for key in self._redis.scan_iter(match=EVERY_REPLIES, count=_KEYS_PAGE):
            pipeline.xtrim(key, minid=oldest_ms, approximate=False)
        pipeline.execute()

    def _remove_requests(self, at: PartitionKeys, user: str) -> Removed:
        noted = self._noted(at, user)
        clients = dict(noted.values())
        cancelled = {request_id for request_id in clients if self._cancel(at, request_id)}
        # A client may not note its users, and what lies in a lane longer than its result is kept is noted no more.
        for stream, (entry_id, fields) in self._entries_of(at, user):
            request_id = fields[b"id"].decode()
            clients[request_id] = fields[b"client"].decode()
            if self._cancel(at, request_id, seen=(stream, entry_id)):
                cancelled.add(request_id)
        letters = [letter for letter in self._dead.of(at) if letter.user == user or letter.request_id in clients]
        clients |= {letter.request_id: letter.client for letter in letters}
        answered = {request_id: client for request_id, client in clients.items() if request_id not in cancelled}
        removed = Removed(
            cancelled=len(cancelled),
            results=sum(self._redis.delete(at.result(request_id)) for request_id in answered),
            replies=self._remove_replies(at, answered),
            dead_letters=sum(self._dead.drop(letter) for letter in letters),
        )
        if noted:
            self._redis.zrem(at.user(user), *noted)
        return removed

    def _noted(self, at: PartitionKeys, user: str) -> dict[bytes, tuple[str, str]]:
        """Return each member of the user's key, and what it says: request id and client."""
        members: Any = self._redis.zrange(at.user(user), 0, -1)
        noted = {}
        for member in members:
            request_id, _, client = member.decode().partition(" ")
            noted[member] = request_id, client
        return noted

    def _cancel(self, at: PartitionKeys, request_id: str, *, seen: tuple[str, bytes] | None = None) -> bool:
        reply = encode_reply(error_reply(request_id, Cancelled()))
        return bool(functions.cancel(at, request_id, reply, seen=seen).on(self._redis) == 1)

    def _entries_of(self, at: PartitionKeys, user: str) -> Iterator[tuple[str, Entry]]:
        """Yield stream and entry of the user's requests that wait or are in flight, lanes before hits."""
        for stream in (*map(at.requests, LANES), at.hits):
            for entry in self._entries(stream, _PHOTOS_PAGE):
                if user_of(entry[1].get(b"m", b"")) == user:
                    yield stream, entry

    def _entries(self, stream: str, page_size: int) -> Iterator[Entry]:
        start = "-"
        while page := self._page(stream, start, page_size):
            yield from page
            start = "(" + page[-1][0].decode()

    def _page(self, stream: str, start: str, size: int) -> list[Entry]:
        entries: Any = self._redis.xrange(stream, start, "+", count=size)
        return list(entries)

    def _remove_replies(self, at: PartitionKeys, clients: Mapping[str, str]) -> int:
        """Remove the replies to requests, given with their clients, from the channels; return how many there were."""
        return sum(self._remove_from(at.replies(client), clients) for client in set(clients.values()))

    def _remove_from(self, channel: str, requests: Iterable[str]) -> int:
        ids = {request_id.encode() for request_id in requests}
        found = [entry_id for entry_id, fields in self._entries(channel, _REPLIES_PAGE) if fields[b"id"] in ids]
        return int(self._redis.xdel(channel, *found)) if found else 0


def _check(user: str) -> None:
    try:
        user.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            "the user id is no text in UTF-8, so no request can have named it; write it as the app does."
        ) from None
