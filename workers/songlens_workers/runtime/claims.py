"""A consumer group's side of the streams: claim new entries, renew those in flight, take over those of the dead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import redis

from songlens_shared.functions import Delivery
from songlens_shared.keys import PartitionKeys
from songlens_shared.streams import Fields, stream_entries

_TAKEOVER_PAGE = 64


@dataclass(frozen=True)
class Inlet:
    """One stream that a stage consumes."""

    keys: PartitionKeys
    stream: str
    share: float | None = None
    """None: strictly preferred. Else: of lower rank, and yet sure of this share of claims."""


class Claims:
    """Claims entries for one consumer of one group. Thread-safe but for `claim`, which one thread calls."""

    def __init__(self, connection: redis.Redis, *, inlets: Sequence[Inlet], group: str, consumer: str) -> None:
        self._redis = connection
        self._preferred = [inlet for inlet in inlets if inlet.share is None]
        self._sharing = [inlet for inlet in inlets if inlet.share is not None]
        self._by_stream = {inlet.stream: inlet for inlet in inlets}
        self._group = group
        self._consumer = consumer
        self._credit = 0.0

    def ensure_groups(self) -> None:
        """Create stream and group where they are missing, at 0: nothing queued before us is passed over."""
        for inlet in self._by_stream.values():
            try:
                self._redis.xgroup_create(inlet.stream, self._group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def claim(self, count: int, block_ms: int) -> list[Delivery]:
        """Return up to `count` new entries, waiting up to `block_ms` for the first; preferred streams come first."""
        reserved = min(count, self._reserve(count))
        claimed = self._read(self._sharing, reserved) if reserved else []
        self._credit -= len(claimed)
        claimed = self._read(self._preferred, count - len(claimed)) + claimed
        if len(claimed) < count:
            claimed += self._read(self._sharing, count - len(claimed))
        if claimed or not block_ms:
            return claimed
        everything = [*self._preferred, *self._sharing]
        return self._read(everything, max(1, count // len(everything)) * len(everything), block_ms)

    def _reserve(self, count: int) -> int:
        """Bulk earns a share of every claim, and spends it in whole entries: it can wait, but never starve."""
        if not self._sharing:
            return 0
        share = max(inlet.share or 0.0 for inlet in self._sharing)
        self._credit = min(self._credit + share * count, float(count))
        return int(self._credit)

    def _read(self, inlets: Sequence[Inlet], count: int, block_ms: int | None = None) -> list[Delivery]:
        if not inlets or count < 1:
            return []
        # COUNT is per stream.
        each = max(1, count // len(inlets))
        found = self._redis.xreadgroup(
            self._group,
            self._consumer,
            {inlet.stream: ">" for inlet in inlets},
            count=each,
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

    def renew(self, deliveries: Iterable[Delivery]) -> None:
        """Say that we still work on these: their idle time starts again, their delivery count stays."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream, held in groupby(sorted(deliveries, key=lambda d: d.stream), key=lambda d: d.stream):
            ids = [delivery.entry_id for delivery in held]
            pipeline.xclaim(stream, self._group, self._consumer, 0, ids, justid=True)  # type: ignore[arg-type]
        pipeline.execute()

    def give_back(self, delivery: Delivery, idle_ms: int) -> None:
        """Let any worker take this entry over at once, by making it look idle."""
        self._redis.xclaim(
            delivery.stream, self._group, self._consumer, 0, [delivery.entry_id], idle=idle_ms, justid=True
        )

    def take_over(self, idle_ms: int, limit: int) -> list[Delivery]:
        """Return up to `limit` entries that nobody renewed for `idle_ms`, with their number of deliveries."""
        taken: list[Delivery] = []
        for inlet in self._by_stream.values():
            cursor = b"0-0"
            while len(taken) < limit:
                page = min(_TAKEOVER_PAGE, limit - len(taken))
                cursor, entries, *_ = self._redis.xautoclaim(
                    inlet.stream, self._group, self._consumer, idle_ms, cursor, count=page
                )
                taken += self._counted(inlet, [(entry_id, fields) for entry_id, fields in entries if fields])
                if cursor == b"0-0":
                    break
        return taken

    def _counted(self, inlet: Inlet, entries: list[tuple[bytes, Fields]]) -> list[Delivery]:
        if not entries:
            return []
        ids = [entry_id for entry_id, _ in entries]
        pending = self._redis.xpending_range(
            inlet.stream, self._group, min=ids[0], max=ids[-1], count=2**20, consumername=self._consumer
        )
        counts = {entry["message_id"]: int(entry["times_delivered"]) for entry in pending}
        return [
            replace(self._delivery(inlet, entry_id, fields), deliveries=counts.get(entry_id, 1))
            for entry_id, fields in entries
        ]


def _integer(field: bytes) -> int:
    try:
        return int(field)
    except ValueError:
        return 0
