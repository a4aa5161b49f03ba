"""What RQ calls by dotted path, in `songlens worker jobs`. Each can be run again at any time.

Only what `songlens[workers]` brings is imported, so that a job worker needs no `songlens[training]`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from rq import get_current_job

from songlens.aio import AsyncClient
from songlens_batch.connections import queue_redis
from songlens_batch.jobs.failing import noting_failure
from songlens_batch.scoring.asking import Refused
from songlens_batch.scoring.forgetting import forget
from songlens_shared.cluster import RedisFault
from songlens_shared.errors import SonglensError
from songlens_training.distributed.extraction import ShardTask, extract
from songlens_training.distributed.plan import FeaturePlan
from songlens_training.model.feature_store import Digest, FeatureStore, ShardWriter
from songlens_training.model.image_file import ImageFile
from songlens_workers.settings import JobsSettings, load_settings

_TELL_EVERY_S = 1.0
_log = structlog.get_logger()


def extract_shard(folder: str, shard: int) -> dict[str, Any]:
    """Compute the features that one shard of a plan lacks, and keep them in the store."""
    notes = _Notes()
    with noting_failure(plan=folder, shard=shard), notes.failure():
        plan = FeaturePlan.opened(Path(folder))
        store, refused = plan.store(shard), plan.refused(shard)
        images = _missing(plan.images(shard), store, refused)
        refused |= _extract(plan, shard, images, store, notes)
        if refused:
            plan.note_refused(shard, refused)
    figures = {"images": len(images), "refused": len(refused)}
    _log.info("features_extracted", plan=plan.id, shard=shard, **figures)
    return figures


def _missing(images: list[ImageFile], store: FeatureStore, refused: dict[Digest, Refused]) -> list[ImageFile]:
    held = store.held()
    return [image for image in images if image.digest not in held and image.digest not in refused]


def _extract(
    plan: FeaturePlan, shard: int, images: list[ImageFile], store: FeatureStore, notes: _Notes
) -> dict[Digest, Refused]:
    settings = load_settings(JobsSettings)
    task = ShardTask(
        record=plan.record,
        images=images,
        run=f"{plan.id}.{shard}.{secrets.token_hex(4)}",
        in_flight=settings.photos_in_flight,
        patience_s=settings.patience_s,
    )
    client = f"features-{plan.id}-{shard}"
    with ShardWriter(store) as writer:
        refused = asyncio.run(_through_the_queue(settings, client, task, writer, notes.images))
    with queue_redis(settings.redis_url) as connection:
        forget(connection, task.request_ids(), client, settings.partitions)
    return refused


async def _through_the_queue(
    settings: JobsSettings, name: str, task: ShardTask, writer: ShardWriter, told: Callable[[int], None]
) -> dict[Digest, Refused]:
    async with AsyncClient(settings.redis_url, name=name, partitions=settings.partitions) as client:
        return await extract(task, client, writer, told)


class _Notes:
    """What a job says of itself while it runs, in its own `meta`, where the build and dashboards find it."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._job = get_current_job()
        self._clock_s = clock_s
        self._told_s = clock_s()

    def images(self, done: int) -> None:
        """Note how many images have been dealt with, once a second."""
        now_s = self._clock_s()
        if now_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now_s
            self._note(images=done)

    @contextmanager
    def failure(self) -> Iterator[None]:
        """Note why the job fails."""
        try:
            yield
        except SonglensError as error:
            self._note(why=error.message)
            raise

    def _note(self, **fields: object) -> None:
        if self._job is None:
            return
        self._job.meta.update(fields)
        try:
            self._job.save_meta()  # type: ignore[no-untyped-call]
        except RedisFault as error:  # nothing depends on it
            _log.warning("job_not_noted", job=self._job.id, error=str(error))
