"""The jobs of a plan's shards in the RQ queue of batches: `features-ID-shard-00003`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from songlens_batch.jobs.kept_jobs import ACTIVE, forget, kept, open_queue, statuses
from songlens_training.distributed.plan import FeaturePlan

_EXTRACT = "songlens_training.jobs.extract_shard"
_LEAST_TIMEOUT_S = 3600
_IMAGE_TIMEOUT_S = 60
"""A backstop alone: images that are not answered end a shard much sooner."""


def shard_job(plan: str, shard: int) -> str:
    """Return the id of a shard's job."""
    return f"features-{plan}-shard-{shard:05d}"


@dataclass(frozen=True)
class Standing:
    """How a shard's job stands."""

    active: bool
    """It waits or runs."""

    images: int
    """That it has dealt with, as far as it has said."""


class ShardLine:
    """The jobs of one plan."""

    def __init__(self, connection: redis.Redis, plan: FeaturePlan) -> None:
        self._redis = connection
        self._plan = plan
        self._queue = open_queue(connection)

    def queue(self, wanted: Mapping[int, int], shards: int) -> int:
        """Queue these shards, each with so many images, but for those that are under way; return how many."""
        names = {shard: shard_job(self._plan.id, shard) for shard in wanted}
        found = statuses(self._redis, names.values())
        fresh = [shard for shard, status in zip(names, found, strict=True) if status not in ACTIVE]
        forget(self._redis, [names[shard] for shard in fresh])
        self._queue.enqueue_many([self._job(shard, wanted[shard], shards) for shard in fresh])
        return len(fresh)

    def _job(self, shard: int, images: int, shards: int) -> Any:
        return Queue.prepare_data(
            _EXTRACT,
            args=(str(self._plan.folder), shard),
            job_id=shard_job(self._plan.id, shard),
            description=f"features {self._plan.id}: shard {shard + 1} of {shards}, {images} images",
            timeout=max(_LEAST_TIMEOUT_S, images * _IMAGE_TIMEOUT_S),
            **kept(),
        )

    def look(self, shards: Sequence[int]) -> dict[int, Standing]:
        """Say how each shard's job stands."""
        pipeline = self._redis.pipeline(transaction=False)
        for shard in shards:
            pipeline.hmget(Job.key_for(shard_job(self._plan.id, shard)), "status", "meta")
        return dict(zip(shards, (_standing(*found) for found in pipeline.execute()), strict=True))

    def why(self, shard: int) -> str:
        """Return why a shard's job has ended without having done all."""
        job = Job.fetch_many([shard_job(self._plan.id, shard)], connection=self._redis, serializer=JSONSerializer)[0]
        if job is None:
            return "Redis has forgotten its job."
        result = job.latest_result()
        if "why" in job.meta:
            return str(job.meta["why"])
        if result is not None and result.exc_string:
            return str(result.exc_string).strip().splitlines()[-1]
        return f"its job is {job.get_status()}."

    def workers(self) -> int:
        """Return how many processes take jobs."""
        return Worker.count(queue=self._queue)


def _standing(status: bytes | None, meta: bytes | None) -> Standing:
    images = json.loads(meta).get("images", 0) if meta else 0
    return Standing(active=status is not None and status.decode() in ACTIVE, images=int(images))
