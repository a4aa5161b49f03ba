"""What Redis remembers of batches: where each is, what state it is in, how far each shard is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import redis

from songlens_batch.errors import UnknownBatch
from songlens_batch.record import ID_PATTERN, BatchRecord
from songlens_shared.keys import BATCH_TTL_S, BATCHES, BatchKeys

PLANNING = "planning"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"

ENDED = (DONE, FAILED, CANCELLED)

_CHANGES = "changes"
"""Field of the state: grows whenever a shard's figures change, so that those that did not need not be read again."""

_FORGET_AFTER_MS = BATCH_TTL_S * 1000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


Fields = dict[str, str]
"""Of a batch's state."""

Figures = dict[int, dict[str, Any]]
"""Of a batch's shards, by number: rows, errors by code, when it was begun, and `done` where its file is there."""


def _fields(found: Any) -> Fields:
    return {name.decode(): value.decode() for name, value in found.items()}


def _figures(found: Any) -> Figures:
    return {int(number): json.loads(figures) for number, figures in found.items()}


class Registry:
    """The batches of one Redis."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def begin(self, record: BatchRecord, out: str) -> None:
        """Remember a batch, and that it is being planned; whatever it failed by before is forgotten."""
        keys, now = BatchKeys(record.id), _now_ms()
        pipeline = self._redis.pipeline()
        pipeline.zremrangebyscore(BATCHES, "-inf", now - _FORGET_AFTER_MS)
        pipeline.zadd(BATCHES, {record.id: now}, nx=True)
        pipeline.hset(
            keys.state,
            mapping={"out": out, "source": record.config.source, "state": PLANNING, "why": "", "begun_ms": now},
        )
        pipeline.hsetnx(keys.state, "submitted_ms", str(now))
        pipeline.hdel(keys.state, "ended_ms")
        pipeline.expire(keys.state, BATCH_TTL_S)
        pipeline.execute()

    def set(self, batch: str, **fields: Any) -> None:
        """Note fields of a batch's state."""
        pipeline = self._redis.pipeline()
        pipeline.hset(BatchKeys(batch).state, mapping=cast(Any, fields))
        pipeline.expire(BatchKeys(batch).state, BATCH_TTL_S)
        pipeline.execute()

    def end(self, batch: str, state: str, why: str = "") -> None:
        """Note that a batch has ended, and why it has failed."""
        self.set(batch, state=state, why=why, ended_ms=_now_ms())

    def shard(self, batch: str, shard: int, figures: Mapping[str, object]) -> str:
        """Note how far a shard is; return the state of the batch, which may have been cancelled."""
        keys = BatchKeys(batch)
        pipeline = self._redis.pipeline()
        pipeline.hset(keys.shards, str(shard), json.dumps(figures))
        pipeline.expire(keys.shards, BATCH_TTL_S)
        pipeline.hincrby(keys.state, _CHANGES, 1)
        pipeline.expire(keys.state, BATCH_TTL_S)
        pipeline.hget(keys.state, "state")
        return str((pipeline.execute()[-1] or b"").decode())

    def state(self, batch: str) -> Fields:
        """Return the fields of a batch's state; empty where Redis knows nothing of it."""
        return _fields(self._redis.hgetall(BatchKeys(batch).state))

    def shards(self, batch: str) -> Figures:
        """Return how far each shard is that has been begun."""
        return _figures(self._redis.hgetall(BatchKeys(batch).shards))

    def restore(self, batch: str, done: Mapping[int, int]) -> None:
        """Note which shards are done, with their rows, as the folder has them, and that others are not."""
        known, shards = self.shards(batch), BatchKeys(batch).shards
        pipeline = self._redis.pipeline()
        for shard, before in known.items():
            if DONE in before and shard not in done:
                gone = {name: value for name, value in before.items() if name != DONE}
                pipeline.hset(shards, str(shard), json.dumps(gone))
        for shard, rows in done.items():
            before = known.get(shard, {"images": rows, "rows": rows, "errors": {}, "models": {}, "at_s": 0})
            if DONE not in before:
                pipeline.hset(shards, str(shard), json.dumps({**before, DONE: True}))
        pipeline.expire(shards, BATCH_TTL_S)
        pipeline.hincrby(BatchKeys(batch).state, _CHANGES, 1)
        pipeline.execute()

    def ids(self) -> list[str]:
        """Return the batches that are remembered, the newest first."""
        found: Any = self._redis.zrevrange(BATCHES, 0, -1)
        return [batch.decode() for batch in found]

    def states(self) -> dict[str, str]:
        """Return the state of each batch that is remembered, in one round trip."""
        ids = self.ids()
        pipeline = self._redis.pipeline(transaction=False)
        for batch in ids:
            pipeline.hget(BatchKeys(batch).state, "state")
        return {batch: state.decode() for batch, state in zip(ids, pipeline.execute(), strict=True) if state}

    def states_of(self, batches: Sequence[str]) -> list[Fields]:
        """Return what `state` does of each of these batches, in one round trip."""
        return [_fields(found) for found in self._hashes(BatchKeys(batch).state for batch in batches)]

    def shards_of(self, batches: Sequence[str]) -> list[Figures]:
        """Return what `shards` does of each of these batches, in one round trip."""
        return [_figures(found) for found in self._hashes(BatchKeys(batch).shards for batch in batches)]

    def _hashes(self, keys: Iterable[str]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        return pipeline.execute()

    def out_of(self, batch: str) -> str:
        """Return the folder of a batch by its id, or what is given where that is no id; raises `UnknownBatch`."""
        if not ID_PATTERN.fullmatch(batch):
            return batch
        out = self.state(batch).get("out")
        if out is None:
            raise UnknownBatch(
                f"no batch {batch} is known here; `songlens batch list` shows those that are, and the folder of a "
                "batch can be given instead of its id."
            )
        return out
