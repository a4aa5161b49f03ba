"""Dead letters, as an operator deals with them: look, replay, drop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import redis

from songlens_shared import functions
from songlens_shared.codec import user_of
from songlens_shared.errors import ConfigError, UnknownLetter
from songlens_shared.keys import PartitionKeys
from songlens_shared.streams import Entry, Fields

_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One entry that was delivered as often as is allowed and never ended."""

    partition: int
    entry_id: str
    request_id: str
    client: str
    stage: str
    error: str
    deliveries: int
    payload_bytes: int
    """0 where payloads are not kept."""
    fields: Fields = field(repr=False)

    @property
    def id(self) -> str:
        """What the letter is called by: its partition and its entry."""
        return f"{self.partition}:{self.entry_id}"

    @property
    def buried_ms(self) -> int:
        """Redis server time."""
        return int(self.entry_id.split("-", 1)[0])

    @property
    def user(self) -> str | None:
        """Whom the songs were for; None where the request named nobody or its payload is not kept."""
        return user_of(self.fields.get(b"m", b""))


class DeadLetters:
    """The dead letters of one Redis, the oldest first."""

    def __init__(self, connection: redis.Redis, *, partitions: int) -> None:
        self._redis = connection
        self._partitions = [PartitionKeys(partition) for partition in range(partitions)]

    def __iter__(self) -> Iterator[DeadLetter]:
        for at in self._partitions:
            yield from self.of(at)

    def of(self, at: PartitionKeys) -> Iterator[DeadLetter]:
        """Yield the letters of one partition."""
        start = "-"
        while page := self._entries(at, start, "+"):
            yield from (_letter(at, *entry) for entry in page)
            start = "(" + page[-1][0].decode()

    def _entries(self, at: PartitionKeys, first: str, last: str) -> list[Entry]:
        entries: Any = self._redis.xrange(at.dead, first, last, count=_PAGE)
        return list(entries)

    def find(self, letter_id: str) -> DeadLetter:
        """Return the letter that `DeadLetter.id` names; raises `UnknownLetter`."""
        partition, _, entry_id = letter_id.partition(":")
        try:
            at = self._partitions[int(partition)]
            [entry] = self._entries(at, entry_id, entry_id)
        except (ValueError, IndexError, redis.ResponseError):
            raise UnknownLetter(
                f"there is no dead letter {letter_id}; `songlens dead list` shows those there are."
            ) from None
        return _letter(at, *entry)

    def replay(self, letter: DeadLetter, *, ttl_ms: int) -> bool:
        """Put a letter back at the start of its stage, `ttl_ms` from now to be answered. False where it has gone.

        Raises `ConfigError` for a letter whose payload was not kept.
        """
        if not letter.payload_bytes:
            raise ConfigError(
                f"the dead letter {letter.id} has no payload to replay (dead_payloads is off); submit the photo again."
            )
        at = self._partitions[letter.partition]
        call = functions.replay(at, letter.entry_id.encode(), letter.fields, ttl_ms=ttl_ms, user=letter.user)
        return bool(call.on(self._redis))

    def trim(self, oldest_ms: int) -> None:
        """Delete the letters that were buried before a moment of the server's clock."""
        pipeline = self._redis.pipeline(transaction=False)
        for at in self._partitions:
            pipeline.xtrim(at.dead, minid=oldest_ms, approximate=False)
        pipeline.execute()

    def drop(self, letter: DeadLetter) -> bool:
        """Delete a letter for good. False where it has gone."""
        return bool(self._redis.xdel(self._partitions[letter.partition].dead, letter.entry_id))


def _letter(at: PartitionKeys, entry_id: bytes, fields: Fields) -> DeadLetter:
    text = {
        name: fields.get(name.encode(), b"").decode(errors="replace") for name in ("id", "client", "stage", "error")
    }
    return DeadLetter(
        partition=at.partition,
        entry_id=entry_id.decode(),
        request_id=text["id"],
        client=text["client"],
        stage=text["stage"],
        error=text["error"],
        deliveries=int(fields.get(b"deliveries", b"0")),
        payload_bytes=len(fields.get(b"m", b"")),
        fields=fields,
    )
