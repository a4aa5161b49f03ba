"""Throws calls at the Redis functions: careless ones with any keys and arguments, and careful ones in any order.

A careless call must change nothing where it fails, and never harm the server; `DEBUG DIGEST` tells. Careful calls are
those of clients and workers, repeated, out of order and by two at once; the queue's books must be right after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import redis
from chaos_fleet import AT, STREAMS

from songlens_shared import functions
from songlens_shared.codec import encode_reply
from songlens_shared.errors import InternalError
from songlens_shared.functions import Call, Delivery
from songlens_shared.keys import LANES, SONGS_GROUP, VISION_GROUP
from songlens_shared.messages import Reply, Request, error_reply

CHUNK = 100
IDS = [f"r{number}" for number in range(12)]
ODD_KEYS = ["odd:string", "odd:number", "odd:list", "odd:hash", "odd:stream", "odd:absent"]
ODD: list[Any] = [b"", b"abc", b"-1", b"0", b"1.5", b"1e3", b"0x10", b" 5", b"nan", b"inf", b"9" * 30, b"\xff\x00"]
ODD += [b"0-0", b"-", b"+", b"18446744073709551615-18446744073709551615", b"600", b"%d%s%n", b"{1}"]
DROPPED = object()


def odd_keys(connection: redis.Redis) -> None:
    """Make keys of every type that no function expects."""
    connection.set("odd:string", b"some text")
    connection.set("odd:number", 2**63 - 1)
    connection.rpush("odd:list", "a")
    connection.hset("odd:hash", "a", "b")
    connection.xadd("odd:stream", {"foreign": "entry"})
    for stream in ("odd:hash", "odd:stream"):
        connection.set(f"{stream}:bytes", "no number")
    # Whoever has been here before may have left foreign entries where ours are looked for.
    connection.set(AT.result("foreign"), b"")
    connection.set(AT.place("foreign"), "odd:stream " + connection.xrange("odd:stream")[0][0].decode())  # type: ignore[index]


class Fuzz:
    """Makes calls; `run` sends them and looks at what they have done."""

    def __init__(self, connection: redis.Redis, seed: int) -> None:
        self._redis = connection
        self._dice = Random(seed)
        self._held: list[Delivery] = []
        self.calls = 0
        self.failed = 0

    def careless(self, calls: int) -> None:
        """Send calls with any keys and arguments; one that fails must have changed nothing."""
        for _ in range(0, calls, CHUNK):
            self._begin_anew()
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.execute_command("DEBUG", "DIGEST")
            sent = [self._spoilt(self._call()) for _ in range(CHUNK)]
            for call in sent:
                call.on(pipeline)
                pipeline.execute_command("DEBUG", "DIGEST")
            digest, *results = pipeline.execute(raise_on_error=False)
            for call, result, after in zip(sent, results[::2], results[1::2], strict=True):
                if isinstance(result, redis.ResponseError):
                    self.failed += 1
                    assert after == digest, f"{call} failed half-way: {result}"
                digest = after
            self.calls += CHUNK

    def careful(self, calls: int) -> None:
        """Send calls of clients and workers in any order; the books must be right."""
        for _ in range(0, calls, CHUNK):
            self._claim()
            pipeline = self._redis.pipeline(transaction=False)
            for _ in range(CHUNK):
                self._call().on(pipeline)
            pipeline.execute()
            self.calls += CHUNK
            check_books(self._redis)

    def _begin_anew(self) -> None:
        """Careless calls soon leave keys of wrong types everywhere: make fresh ones, with requests at every stage."""
        if keys := self._redis.keys():
            self._redis.delete(*keys)  # type: ignore[misc]
        prepare(self._redis)
        odd_keys(self._redis)
        self._held = []
        for _ in range(3):
            for _ in range(15):
                self._call().on(self._redis)
            self._claim()

    def _call(self) -> Call:
        """Return a call as clients and workers make it; ids come again, and deliveries are ended again and again."""
        dice, id = self._dice, self._dice.choice(IDS)
        made = dice.randrange(6)
        if made == 0 or not self._held:
            request = Request(id=id, client="app", image=b"-", lane=dice.choice(LANES), ttl_ms=3_600_000)
            return functions.submit(AT, request, dice.randbytes(dice.randrange(200)))
        if made == 1:
            return functions.cancel(AT, id, _reply(id))
        if made == 2 and (letters := self._letters()):
            return functions.replay(AT, *dice.choice(letters), ttl_ms=3_600_000)
        delivery = dice.choice(self._held)
        if made == 3 and delivery.group == VISION_GROUP:
            return functions.hand_over(delivery, AT.hits, dice.randbytes(50))
        if made == 4:
            failed = encode_reply(error_reply(delivery.request_id, InternalError()))
            return functions.bury(delivery, failed, stage="fuzz", error="made", dead_ttl_s=3600)
        finish = dice.choice((functions.finish, functions.finish_with_notice))
        return finish(delivery, _reply(delivery.request_id))

    def _letters(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        letters: Any = self._redis.xrange(AT.dead, count=20)
        return [(id, fields) for id, fields in letters if b"source" in fields and b"id" in fields]

    def _claim(self) -> None:
        """Hold some entries, of which a part will have been ended by others."""
        for stream, group in STREAMS:
            claimed: Any = self._redis.xreadgroup(group, "fuzz", {stream: ">"}, count=10)
            entries = [page for pages in claimed.values() for page in pages] if isinstance(claimed, dict) else []
            entries += [] if isinstance(claimed, dict) else [page for _, page in claimed or []]
            for entry_id, fields in (entry for page in entries for entry in page):
                if {b"m", b"id", b"client"} <= set(fields):
                    self._held.append(_delivery(stream, group, entry_id, fields))
        self._held = self._held[-60:]

    def _spoilt(self, call: Call) -> Call:
        """Return a call with wrong, missing or additional keys and arguments."""
        keys = [self._key(key) for key in call.keys]
        args = [self._argument(argument) for argument in call.args]
        if self._dice.random() < 0.1:
            del keys[self._dice.randrange(len(keys)) :]
        if self._dice.random() < 0.1:
            del args[self._dice.randrange(len(args)) :]
        return replace(call, keys=tuple(keys), args=tuple(args))

    def _key(self, key: str) -> str:
        if self._dice.random() < 0.85:
            return key
        known = [AT.dead, AT.limits, AT.replies("app"), AT.result("r1"), AT.place("foreign"), *dict(STREAMS)]
        return self._dice.choice(ODD_KEYS + known)

    def _argument(self, argument: Any) -> Any:
        return argument if self._dice.random() < 0.85 else self._dice.choice(ODD)


def _reply(id: str) -> bytes:
    return encode_reply(Reply(id=id, status="ok", model="fuzz"))


def _delivery(stream: str, group: str, entry_id: bytes, fields: dict[bytes, bytes]) -> Delivery:
    return Delivery(
        keys=AT,
        stream=stream,
        group=group,
        entry_id=entry_id,
        payload=fields[b"m"],
        request_id=fields[b"id"].decode(errors="replace"),
        client=fields[b"client"].decode(errors="replace"),
        deadline_ms=1,
    )


def check_books(connection: redis.Redis) -> None:
    """Bytes counted are those that are there; what is pending is there; who is in flight is so once, and no other."""
    where: list[bytes] = []
    for stream, group in STREAMS:
        entries: Any = connection.xrange(stream)
        assert int(connection.get(AT.bytes_of(stream)) or 0) == sum(len(fields[b"m"]) for _, fields in entries), stream
        pending: Any = connection.xpending_range(stream, group, "-", "+", 10_000)
        assert {entry["message_id"] for entry in pending} <= {id for id, _ in entries}
        where += [fields[b"id"] for _, fields in entries]
    assert len(where) == len(set(where)), "a request lies in two places"
    results: Sequence[Any] = connection.mget([AT.result(id) for id in IDS])  # type: ignore[assignment]
    in_flight = {id.encode() for id, result in zip(IDS, results, strict=True) if result == b""}
    assert in_flight == set(where)


def prepare(connection: redis.Redis) -> None:
    """Make the consumer groups."""
    for stream, group in STREAMS:
        connection.xgroup_create(stream, group, id="0", mkstream=True)
    assert {VISION_GROUP, SONGS_GROUP} == {group for _, group in STREAMS}
