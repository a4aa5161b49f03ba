"""Batches from Python: what `songlens batch` does, without a screen.

with Batches() as batches:
    batch = batches.submit(batch_config("/srv/photos"), "/srv/scored/today")
    print(batches.wait(batch).errors)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from songlens_batch.connections import jobs_redis, queue_redis
from songlens_batch.errors import BatchError, OutputTaken, UnknownBatch
from songlens_batch.folder import MANIFEST, BatchFolder
from songlens_batch.jobs.line import JobQueue
from songlens_batch.plan.plan import planned
from songlens_batch.record import ID_PATTERN, BatchConfig, BatchRecord
from songlens_batch.scoring.score import model_changed
from songlens_batch.state.registry import CANCELLED, RUNNING, Registry
from songlens_batch.state.status import BatchStatus, status
from songlens_shared.errors import DataError
from songlens_shared.keys import BULK
from songlens_workers.models.published import PublishedModels
from songlens_workers.settings import JobsSettings, load_settings

_LOOK_EVERY_S = 1.0


class Batches:
    """The batches that one Redis knows. A batch is named by its id or by its folder."""

    def __init__(self, redis_url: str | None = None, *, jobs_redis_url: str | None = None) -> None:
        """Addresses default to those of the job workers: SONGLENS_REDIS_URL and SONGLENS_JOBS_REDIS_URL."""
        self._settings = load_settings(JobsSettings, redis_url=redis_url, jobs_redis_url=jobs_redis_url)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        connection = self._open.enter_context(jobs_redis(self._settings.jobs_url))
        self._registry = Registry(connection)
        self._queue = JobQueue(connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def submit(
        self,
        config: BatchConfig,
        out: str,
        *,
        lane: str = BULK,
        error_limit: float = 0.5,
        photo_timeout_s: float = 600.0,
        replace: bool = False,
    ) -> str:
        """Queue a batch and return its id. One that was submitted before, with the same config, goes on.

        Raises `OutputTaken` for a folder that holds something else, or a batch of another config: with `replace`, that
        one is removed first. `BrokerUnavailable`, `OutputUnusable`, `ConfigError`.
        """
        folder = BatchFolder(out)
        held = folder.record()
        if held is not None and replace:
            self._stop(folder, held)
            folder.clear()
            held = None
        if held is not None:
            _check_same(held, config, folder)
            self.resume(str(folder))
            return held.id
        record = BatchRecord.new(config, lane=lane, error_limit=error_limit, photo_timeout_s=photo_timeout_s)
        folder.claim(record)
        self._begin(record, folder)
        return record.id

    def _begin(self, record: BatchRecord, folder: BatchFolder) -> None:
        self._registry.begin(record, str(folder))
        self._queue.plan(record, str(folder))

    def _opened(self, batch: str) -> tuple[BatchFolder, BatchRecord]:
        folder = BatchFolder(self._registry.out_of(batch))
        record = folder.record()
        if record is None:
            raise UnknownBatch(f"{folder} holds no batch.")
        if ID_PATTERN.fullmatch(batch) and record.id != batch:
            raise UnknownBatch(f"{folder}, where batch {batch} was, holds batch {record.id} now.")
        return folder, record

    def record(self, batch: str) -> tuple[BatchFolder, BatchRecord]:
        """Return a batch's folder and what it was asked to do; raises `UnknownBatch`."""
        return self._opened(batch)

    def status(self, batch: str) -> BatchStatus:
        """Say how a batch stands; raises `UnknownBatch`."""
        folder, record = self._opened(batch)
        return status(folder, record, self._registry, self._queue)

    def look(self, batch: str) -> BatchStatus | None:
        """As `status`; None where the batch's folder is gone."""
        try:
            return self.status(batch)
        except DataError:
            return None

    def wait(
        self, batch: str, told: Callable[[BatchStatus], None] | None = None, *, every_s: float = _LOOK_EVERY_S
    ) -> BatchStatus:
        """Look at a batch until it has ended; return its last status."""
        while True:
            found = self.status(batch)
            if told is not None:
                told(found)
            if found.ended:
                return found
            time.sleep(every_s)

    def list(self) -> list[str]:
        """Return the ids of the batches that Redis remembers, the newest first."""
        return self._registry.ids()

    def cancel(self, batch: str) -> None:
        """End a batch: shards that are done stay, those that run stop within seconds. `resume` goes on with it."""
        folder, record = self._opened(batch)
        if status(folder, record, self._registry, self._queue).state == "done":
            raise BatchError(f"batch {record.id} is done; there is nothing to cancel.")
        self._stop(folder, record)

    def _stop(self, folder: BatchFolder, record: BatchRecord) -> None:
        self._registry.end(record.id, CANCELLED)
        plan = planned(folder)
        self._queue.cancel(record.id, list(range(plan.shards)) if plan else [])

    def resume(self, batch: str, *, accept_model: bool = False) -> None:
        """Do what is missing, and only that; also of a batch that Redis has forgotten.

        Raises `BatchError` where another model version is live than the batch began with, unless it is accepted.
        """
        folder, record = self._opened(batch)
        if folder.exists(MANIFEST) or self._queue.plans(record.id):
            return
        self._check_model(folder, accept=accept_model)
        self._begin(record, folder)

    def retry(self, batch: str) -> int:
        """Queue the shards that have failed once more; return how many. Others are left as they are."""
        folder, record = self._opened(batch)
        self._check_model(folder, accept=False)
        plan = planned(folder)
        if plan is None:
            self._begin(record, folder)
            return 0
        finished = folder.finished()
        missing = [shard for shard in range(plan.shards) if shard not in finished]
        statuses = self._queue.statuses(record.id, missing)
        failed = [shard for shard in missing if statuses[shard] == "failed"]
        if failed:
            self._registry.begin(record, str(folder))
            self._registry.set(record.id, state=RUNNING, shards=plan.shards, images=plan.images)
            self._queue.shards(record, str(folder), missing, plan.shards)
        return len(failed)

    def _check_model(self, folder: BatchFolder, *, accept: bool) -> None:
        models = folder.models()
        if not models:
            return
        with queue_redis(self._settings.redis_url) as connection:
            live = PublishedModels(connection).current()
        if live is None or live in models:
            return
        if not accept:
            raise BatchError(model_changed(live, models))
        folder.allow_model(live)


def _check_same(held: BatchRecord, config: BatchConfig, folder: BatchFolder) -> None:
    """Raise `OutputTaken`, naming each difference, where a folder's batch is not the one that is submitted."""
    differing = [
        f"{name} is {getattr(held.config, name)!r} there and {getattr(config, name)!r} here"
        for name in BatchConfig.model_fields
        if getattr(held.config, name) != getattr(config, name)
    ]
    if differing:
        raise OutputTaken(
            f"{folder} holds batch {held.id} of {held.created_at}, which is another: {'; '.join(differing)}. Give "
            "another folder, or --replace to remove what is there and begin anew."
        )


def absolute_source(source: str) -> str:
    """Return a source as job workers elsewhere know it: a URL as it is, a local path from the root on."""
    return source if "://" in source else str(Path(source).expanduser().absolute())
