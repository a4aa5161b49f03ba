"""Batches that Redis remembers without a folder, in numbers that no test could score."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from songlens_batch.jobs.names import QUEUE, shard_job
from songlens_batch.record import BatchRecord, batch_config
from songlens_batch.state.registry import RUNNING, Registry
from songlens_shared.keys import BatchKeys

IMAGES = 1000
"""Of each shard."""


def remember_batch(
    connection: redis.Redis, shards: int, done: int, *, state: str = RUNNING, errors: Mapping[str, int] | None = None
) -> str:
    """Remember a batch that runs, with so many shards done and the jobs of the others queued; return its id."""
    record = BatchRecord.new(batch_config("/photos"), lane="bulk", error_limit=0.5, photo_timeout_s=600)
    registry = Registry(connection)
    registry.begin(record, "/scored")
    registry.set(record.id, state=state, shards=shards, images=shards * IMAGES)
    figures = json.dumps(_figures(errors or {}))
    pipeline = connection.pipeline(transaction=False)
    for shard in range(done):
        pipeline.hset(BatchKeys(record.id).shards, str(shard), figures)
    pipeline.execute()
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    names = [shard_job(record.id, shard) for shard in range(done, shards)]
    if state == RUNNING and names:
        queue.enqueue_many([Queue.prepare_data("operator.add", (1, 2), job_id=name) for name in names])
    return record.id


def _figures(errors: Mapping[str, int]) -> dict[str, object]:
    return {
        "images": IMAGES,
        "rows": IMAGES,
        "errors": dict(errors),
        "models": {"20260101-000000-abcdef01": IMAGES},
        "at_s": time.time(),
        "seconds": 12.345,
        "done": True,
    }
