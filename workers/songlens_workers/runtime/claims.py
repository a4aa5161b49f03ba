"""A consumer group's side of the streams: claim new entries, renew those in flight, take over those of the dead."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import redis

from songlens_shared.cluster import RedisFault, by_partition, hash_tag
from songlens_shared.functions import Delivery
from songlens_shared.keys import PartitionKeys
from songlens_shared.streams import Fields, stream_entries
from songlens_workers.runtime.watches import MOST, Watches

# While there is room for fewer entries than there are streams, a wait can watch only some of them.
_PARTIAL_WAIT_MS = 50


@dataclass(frozen=True)
class Inlet:
    """One stream that a stage consumes."""

    keys: PartitionKeys
    stream: str
    share: float | None = None
    """None: strictly preferred. Else: of lower rank, and yet sure of this share of claims."""


@dataclass(frozen=True)
class Abandoned:
    """An entry that nobody has renewed for a while."""

    stream: str
    entry_id: bytes
    deliveries: int


def is_missing_group(error: redis.ResponseError) -> bool:
    """Say whether stream or group is gone, as after a restart of a server that keeps nothing."""
    return str(error).startswith(("NOGROUP", "UNBLOCKED"))  # Redis 7.0 wakes a blocked reader with UNBLOCKED


class Claims:
    """Claims entries for one consumer of one group. Thread-safe but for `claim` and `leave`, which one thread calls."""

    def __init__(self, connection: redis.Redis, *, inlets: Sequence[Inlet], group: str, consumer: str) -> None:
        self._redis = connection
        self._preferred = [inlet for inlet in inlets if inlet.share is None]
        self._sharing = [inlet for inlet in inlets if inlet.share is not None]
        self._by_stream = {inlet.stream: inlet for inlet in inlets}
        self._group = group
        self._consumer = consumer
        self._credit = 0.0
        self._turn = 0
        self._drained = False
        self._idle_times = threading.Lock()
        self._watches: Watches[Delivery] = Watches()

    @property
    def streams(self) -> int:
        """How many streams are consumed."""
        return len(self._by_stream)

    @property
    def share(self) -> float:
        """The share of claims that streams of lower rank are sure of."""
        return max((inlet.share or 0.0 for inlet in self._sharing), default=0.0)

    def ensure_groups(self) -> None:
        """Create stream and group where they are missing, at 0: nothing queued before us is passed over."""
        for inlet in self._by_stream.values():
            try:
                self._redis.xgroup_create(inlet.stream, self._group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def claim(self, count: int, block_ms: int, *, sharing: int | None = None) -> list[Delivery]:
        """Return at most `count` new entries, waiting up to `block_ms` for the first; preferred streams come first.

        About `sharing` of them at most are of streams of lower rank. Where the last claim has left nothing behind,
        there is no order to keep: then a wait for all streams is the only round trip.
        """
        if sharing is None or not self._preferred:
            sharing = count
        self._turn += 1
        claimed = self._arrived()
        if not (self._drained and block_ms):
            room = count - len(claimed) - self._watches.reserved
            with _keeping(claimed):
                taken = self._take(room, sharing)
                self._drained = len(taken) < room
                claimed += taken
        if claimed or not block_ms:
            return claimed
        if not sharing:
            # Soon there may be room for them again.
            return self._wait(self._preferred, count, min(block_ms, _PARTIAL_WAIT_MS))
        inlets = [*self._preferred, *self._sharing]
        return self._wait(inlets, min(count, sharing * len(inlets)), block_ms)

    def leave(self) -> list[Delivery]:
        """Wait for no more; return what has come meanwhile. Afterwards nothing can be claimed."""
        self._watches.close()
        return self._arrived()

    def _take(self, count: int, sharing: int) -> list[Delivery]:
        if count <= 0:
            return []
        claimed = self._read(self._sharing, min(self._reserve(count), sharing))
        self._credit -= len(claimed)
        sharing -= len(claimed)
        with _keeping(claimed):
            claimed[:0] = self._read(self._preferred, count - len(claimed))
            claimed += self._read(self._sharing, min(count - len(claimed), sharing))
        return claimed

    def _reserve(self, count: int) -> int:
        """Bulk earns a share of every claim and spends it in whole entries: it can wait, but never starve.

        What it did not need it cannot save up, or it would one day fill a claim alone.
        """
        self._credit = min(self._credit + self.share * count, 1 + self.share * count)
        return min(count, int(self._credit))

    def _read(self, inlets: Sequence[Inlet], count: int) -> list[Delivery]:
        """Return up to `count` entries that are there now, an equal part from each stream as far as it has them."""
        claimed: list[Delivery] = []
        waiting = self._rotated(inlets)
        with _keeping(claimed):
            while waiting and len(claimed) < count:
                room = count - len(claimed)
                asked, waiting = waiting[:room], waiting[room:]
                each = room // len(asked)
                found = self._claim_each(asked, each)
                claimed += found
                found_in = Counter(delivery.stream for delivery in found)
                waiting += [inlet for inlet in asked if found_in[inlet.stream] == each]
        return claimed

    def _wait(self, inlets: Sequence[Inlet], count: int, block_ms: int) -> list[Delivery]:
        inlets = self._rotated(inlets)
        groups = by_partition(self._redis, inlets, _stream)
        if len(groups) > 1:
            self._drained = False  # those that are waited for are not looked at anyhow
            return self._watch(groups, count, block_ms)
        if count < len(inlets):
            self._drained = False
            return self._claim_new(inlets[:count], 1, min(block_ms, _PARTIAL_WAIT_MS))
        each = count // len(inlets)
        found = self._claim_new(inlets, each, block_ms)
        self._drained = max(Counter(map(_stream, found)).values(), default=0) < each
        return found

    def _watch(self, groups: Sequence[list[Inlet]], count: int, block_ms: int) -> list[Delivery]:
        """Wait for all groups at once, by a read of each; what comes later than the first is returned by later claims.

        A read that waits is served before anybody who only looks, so that such a group need not be looked at.
        """
        unwatched = [group for group in groups if _partition(group) not in self._watches]
        room = count - self._watches.reserved
        for group in unwatched[: MOST - len(self._watches)]:
            if room <= 0:
                break
            watched = group[:room]
            each = max(1, room // sum(map(len, unwatched)))
            read = partial(self._claim_new, watched, each, block_ms)
            self._watches.start(_partition(group), each * len(watched), read)
            room = count - self._watches.reserved
        self._watches.wait(block_ms / 1000)
        return self._arrived()

    def _arrived(self) -> list[Delivery]:
        claimed: list[Delivery] = []
        for reading in self._watches.finished():
            with _keeping(claimed):
                claimed += reading.result()
        return claimed

    def _rotated(self, inlets: Sequence[Inlet]) -> list[Inlet]:
        """Every partition is the first to be looked at in its turn."""
        start = self._turn % len(inlets) if inlets else 0
        return [*inlets[start:], *inlets[:start]]

    def _claim_each(self, inlets: Sequence[Inlet], each: int) -> list[Delivery]:
        claimed: list[Delivery] = []
        for group in by_partition(self._redis, inlets, _stream):
            if _partition(group) not in self._watches:
                with _keeping(claimed):
                    claimed += self._claim_new(group, each)
        return claimed

    def _claim_new(self, inlets: Sequence[Inlet], each: int, block_ms: int | None = None) -> list[Delivery]:
        found = self._redis.xreadgroup(
            self._group,
            self._consumer,
            {inlet.stream: ">" for inlet in inlets},
            count=each,  # of every stream
            block=block_ms,
        )
        return [
            self._delivery(self._by_stream[stream], entry_id, fields)
            for stream, entries in stream_entries(found)
            for entry_id, fields in entries
        ]

    def _delivery(self, inlet: Inlet, entry_id: bytes, fields: Fields) -> Delivery:
        """An entry not written by our functions may lack fields; it still needs an id to be buried under."""
        return Delivery(
            keys=inlet.keys,
            stream=inlet.stream,
            group=self._group,
            entry_id=entry_id,
            payload=fields.get(b"m", b""),
            request_id=fields.get(b"id", b"entry-" + entry_id).decode(errors="replace"),
            client=fields.get(b"client", b"unknown").decode(errors="replace"),
            deadline_ms=_integer(fields.get(b"deadline", b"")),
        )

    def renew(self, held: Callable[[], Iterable[Delivery]]) -> None:
        """Say that we still work on these: their idle time starts again, their delivery count stays.

        They are asked for under the lock of `give_back`, or one given back meanwhile would be ours again.
        """
        with self._idle_times:
            self._claim_again(held())

    def give_back(self, deliveries: Iterable[Delivery], idle_ms: int) -> None:
        """Let any worker take these over at once, by making them look idle. They must no longer be held."""
        with self._idle_times:
            self._claim_again(deliveries, idle=idle_ms)

    def _claim_again(self, deliveries: Iterable[Delivery], **options: Any) -> None:
        away: Exception | None = None
        for group in by_partition(self._redis, deliveries, _stream):
            pipeline = self._redis.pipeline(transaction=False)
            for stream, held in groupby(sorted(group, key=_stream), key=_stream):
                ids: Any = [delivery.entry_id for delivery in held]
                pipeline.xclaim(stream, self._group, self._consumer, 0, ids, justid=True, **options)
            try:
                # An entry that the server has lost, it has lost for everybody: nothing is left to renew or give back.
                pipeline.execute(raise_on_error=False)
            except RedisFault as error:
                away = error  # one node's fault must not make the entries of the others look abandoned
        if away is not None:
            raise away

    def abandoned(self, idle_ms: int, limit: int) -> list[Abandoned]:
        """Return up to `limit` entries of each stream that nobody renewed for `idle_ms`, the oldest first."""
        found: list[Abandoned] = []
        for stream in self._by_stream:
            entries: Any = self._redis.xpending_range(stream, self._group, "-", "+", limit, idle=idle_ms)
            found += [Abandoned(stream, entry["message_id"], entry["times_delivered"]) for entry in entries]
        return found

    def take_over(self, abandoned: Iterable[Abandoned], idle_ms: int) -> list[Delivery]:
        """Return those of these entries that are still idle for `idle_ms`; this counts as a delivery of each."""
        taken: list[Delivery] = []
        for stream, entries in groupby(sorted(abandoned, key=_stream), key=_stream):
            before = {entry.entry_id: entry.deliveries for entry in entries}
            with _keeping(taken):
                ids: Any = list(before)
                claimed: Any = self._redis.xclaim(stream, self._group, self._consumer, idle_ms, ids)
                taken += [
                    replace(self._delivery(self._by_stream[stream], entry_id, fields), deliveries=before[entry_id] + 1)
                    for entry_id, fields in claimed
                    if entry_id in before
                ]
        return taken


def _stream(place: Inlet | Delivery | Abandoned) -> str:
    return place.stream


def _partition(group: Sequence[Inlet]) -> str:
    return hash_tag(group[0].stream)


@contextmanager
def _keeping(claimed: list[Delivery]) -> Iterator[None]:
    """Pass over a fault once something has been claimed, which would be lost from sight; the fault comes again."""
    try:
        yield
    except RedisFault:
        if not claimed:
            raise


def _integer(field: bytes) -> int:
    try:
        return int(field)
    except ValueError:
        return 0
