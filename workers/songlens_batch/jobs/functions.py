"""What RQ calls by dotted path. Each can be run again at any time: what is done is found done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from songlens.aio import AsyncClient
from songlens_batch.connections import jobs_redis, queue_redis
from songlens_batch.errors import BatchCancelled, BatchError, ModelChanged, UnknownBatch
from songlens_batch.folder import BatchFolder
from songlens_batch.jobs.failing import noting_failure
from songlens_batch.jobs.line import JobQueue
from songlens_batch.plan.plan import PlannedShards, planned, read_shard, shard_images
from songlens_batch.plan.planning import write_plan
from songlens_batch.record import BatchRecord
from songlens_batch.result.ending import end_batch
from songlens_batch.scoring.asking import TRIES
from songlens_batch.scoring.forgetting import forget
from songlens_batch.scoring.score import ShardTask, model_changed, score
from songlens_batch.scoring.tally import Tally
from songlens_batch.sources.opening import open_source
from songlens_batch.sources.reading import PhotoReader
from songlens_batch.state.registry import CANCELLED, FAILED, RUNNING, Registry
from songlens_shared.cluster import RedisFault
from songlens_shared.errors import SonglensError
from songlens_workers.models.published import PublishedModels
from songlens_workers.settings import JobsSettings, load_settings
from songlens_workers.vision.limits import ImageLimits

_log = structlog.get_logger()


@dataclass(frozen=True)
class _Job:
    """What every job has at hand."""

    settings: JobsSettings
    folder: BatchFolder
    record: BatchRecord
    registry: Registry
    queue: JobQueue

    def live_model(self) -> str | None:
        with queue_redis(self.settings.redis_url) as connection:
            return PublishedModels(connection).current()

    def check_not_cancelled(self) -> None:
        if self.registry.state(self.record.id).get("state") == CANCELLED:
            raise BatchCancelled(f"batch {self.record.id} was cancelled.")


@contextmanager
def _job(out: str) -> Iterator[_Job]:
    """Open a batch for one of its jobs. What must fail again the same way is not tried again."""
    settings = load_settings(JobsSettings)
    with noting_failure(out=out):
        folder = BatchFolder(out)
        record = folder.record()
        if record is None:
            raise UnknownBatch(f"{out} holds no batch any more.")
        with jobs_redis(settings.jobs_url) as connection:
            yield _Job(settings, folder, record, Registry(connection), JobQueue(connection))


def plan_batch(out: str) -> dict[str, Any]:
    """Write the plan, and queue the shards and the end."""
    with _job(out) as job:
        job.check_not_cancelled()
        try:
            plan = planned(job.folder) or _plan(job)
        except SonglensError as error:
            job.registry.end(job.record.id, FAILED, error.message)
            raise
        job.registry.set(job.record.id, state=RUNNING, shards=plan.shards, images=plan.images)
        finished = job.folder.finished()
        size = job.record.config.shard_size
        job.registry.restore(job.record.id, {shard: shard_images(shard, plan, size) for shard in finished})
        missing = [shard for shard in range(plan.shards) if shard not in finished]
        queued = job.queue.shards(job.record, out, missing, plan.shards)
    _log.info("batch_planned", batch=job.record.id, images=plan.images, shards=plan.shards, queued=queued)
    return {"images": plan.images, "shards": plan.shards, "queued": queued}


def _plan(job: _Job) -> PlannedShards:
    model = job.live_model()
    if model is None:
        raise BatchError(
            "no model version is published, so no photo can get songs: `songlens model publish`, then "
            f"`songlens batch resume {job.record.id}`."
        )
    job.folder.begin_model(model)
    source = open_source(job.record.config.source)

    def told(images: int) -> None:
        job.registry.set(job.record.id, images=images)
        job.check_not_cancelled()

    return write_plan(job.folder, source, job.record.config.shard_size, told)


def score_shard(out: str, shard: int) -> dict[str, Any]:
    """Score one shard, unless it is done."""
    with _job(out) as job:
        if shard in job.folder.finished():
            return {"rows": 0, "done_before": True}
        job.check_not_cancelled()
        told = _Noting(job, shard)
        try:
            tally = _score(job, shard, told)
        except SonglensError as error:
            told.ended(why=error.message, failures=told.failures + 1)
            raise
        told.ended(done=True)
    _log.info("shard_scored", batch=job.record.id, shard=shard, rows=tally.rows, errors=tally.errors.total())
    return tally.as_json()


def _score(job: _Job, shard: int, told: _Noting) -> Tally:
    settings, models = job.settings, job.folder.models()
    live = job.live_model()
    if live not in models:
        raise ModelChanged(model_changed(live, models))
    task = ShardTask(
        record=job.record,
        models=models,
        shard=shard,
        planned=read_shard(job.folder, shard),
        in_flight=settings.photos_in_flight,
        failures=told.failures,
        patience_s=settings.patience_s,
    )
    with PhotoReader(
        limits=ImageLimits(), private=settings.source_private, timeout_s=settings.source_timeout_s
    ) as reader:
        tally = asyncio.run(_through_the_queue(job, task, reader, told))
    with queue_redis(settings.redis_url) as connection:
        forget(connection, task.request_ids(TRIES), task.client, settings.partitions)
    return tally


async def _through_the_queue(job: _Job, task: ShardTask, reader: PhotoReader, told: _Noting) -> Tally:
    settings = job.settings
    async with AsyncClient(settings.redis_url, name=task.client, partitions=settings.partitions) as client:
        return await score(task, job.folder, client, reader, told)


class _Noting:
    """Notes how far a shard is, and hears whether the batch was cancelled. A Redis that is away is not waited for."""

    def __init__(self, job: _Job, shard: int) -> None:
        self._job = job
        self._shard = shard
        self._figures: dict[str, object] = {}
        self.failures = int(job.registry.shards(job.record.id).get(shard, {}).get("failures", 0))

    def __call__(self, tally: Tally) -> None:
        self._figures = {**tally.as_json(), "failures": self.failures}
        try:
            state = self._job.registry.shard(self._job.record.id, self._shard, self._figures)
        except RedisFault:
            return
        if state == CANCELLED:
            raise BatchCancelled(f"batch {self._job.record.id} was cancelled.")

    def ended(self, **how: object) -> None:
        """Note that the shard is done, or why it has failed."""
        figures = {"rows": 0, "errors": {}, **self._figures, **how}
        try:
            self._job.registry.shard(self._job.record.id, self._shard, figures)
        except RedisFault as error:
            _log.warning("shard_end_not_noted", shard=self._shard, error=str(error))


def finish_batch(out: str) -> dict[str, Any]:
    """Write manifest and summary where every shard is there, or say which are not."""
    with _job(out) as job:
        job.check_not_cancelled()
        return end_batch(job.folder, job.record, job.registry)
