"""Scoring one shard: its photos through the queue, a bounded number in flight, and a Parquet file of its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from songlens.aio import AsyncClient
from songlens.photo import photo_bytes
from songlens.recommendation import Recommendation
from songlens_batch.errors import ModelChanged
from songlens_batch.folder import BatchFolder
from songlens_batch.plan.plan import PlannedShard
from songlens_batch.record import BatchRecord
from songlens_batch.scoring.asking import PATIENCE_S, Ask, Asking, Refused, reading_threads
from songlens_batch.scoring.in_order import in_order
from songlens_batch.scoring.rows import error_row, ok_row
from songlens_batch.scoring.shard_file import ShardFile, shard_file
from songlens_batch.scoring.tally import Tally
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.reading import PhotoReader

LOOK_EVERY_S = 1.0

_ADVICE = "See with `songlens doctor` that vision and song workers run, then `songlens batch retry`."

Told = Callable[[Tally], None]
"""Called now and then with how far the shard is; may raise `BatchCancelled`."""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """What one shard needs."""

    record: BatchRecord
    models: Sequence[str]
    """The versions that rows may come from."""

    shard: int
    planned: PlannedShard
    in_flight: int
    failures: int = 0
    """How often the shard has failed before, other than by being killed."""

    patience_s: float = PATIENCE_S

    @property
    def client(self) -> str:
        """The name of the shard's reply channel: the same each time, so that an earlier try's replies are heard."""
        return f"batch-{self.record.id}-{self.shard}"

    def request_id(self, number: int) -> str:
        """Return the id of a photo's request: the same each time, so that what was answered before is not done again.

        But not after a failure, or with another model: the replies to those tries are kept and of no use.
        """
        return f"{self.record.id}.{self.shard}.{number}.{len(self.models)}.{self.failures}"

    def request_ids(self, tries: int) -> list[str]:
        """Return every id that this shard may have asked under."""
        return [f"{self.request_id(number)}.{one}" for number in range(len(self.planned.items)) for one in range(tries)]


async def score(task: ShardTask, folder: BatchFolder, client: AsyncClient, reader: PhotoReader, told: Told) -> Tally:
    """Write the shard's file and return what became of its photos.

    Raises a `BatchError` where the shard cannot be finished; then there is no file.
    """
    tally = Tally(len(task.planned.items), task.record.error_limit)
    with ThreadPoolExecutor(reading_threads(task.in_flight)) as threads:
        asking: Asking[SourceItem, Recommendation] = Asking(
            ask=_ask(client, task.record),
            read=lambda item: photo_bytes(reader.read(item)),
            threads=threads,
            advice=_ADVICE,
            patience_s=task.patience_s,
        )
        with (
            folder.writing(folder.shard_name(task.shard)) as file,
            shard_file(file, batch=task.record.id, shard=task.shard) as rows,
        ):
            await _first(_fill(rows, task, asking, tally), _tell(tally, told))
    told(tally)
    return tally


async def _first(work: Coroutine[None, None, None], watch: Coroutine[None, None, None]) -> None:
    """Run the work to its end, unless the watch ends it by raising something before."""
    tasks = [asyncio.create_task(work), asyncio.create_task(watch)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(tally: Tally, told: Told) -> None:
    """Also while no photo is answered: somebody may cancel the batch then."""
    while True:
        await asyncio.to_thread(told, tally)
        await asyncio.sleep(LOOK_EVERY_S)


async def _fill(rows: ShardFile, task: ShardTask, asking: Asking[SourceItem, Recommendation], tally: Tally) -> None:
    async def answered(numbered: tuple[int, SourceItem]) -> tuple[int, SourceItem, Recommendation | Refused]:
        number, item = numbered
        return number, item, await asking.answer(item, task.request_id(number))

    async for number, item, outcome in in_order(enumerate(task.planned.items), answered, at_once=task.in_flight):
        row = task.planned.first_row + number
        if isinstance(outcome, Refused):
            rows.add(error_row(row, item, outcome.code, outcome.message))
            tally.refused(outcome.code, outcome.message)
        else:
            _check_model(outcome.model, task)
            rows.add(ok_row(row, item, outcome))
            tally.answered(outcome.model)


def _check_model(model: str, task: ShardTask) -> None:
    if model not in task.models:
        raise ModelChanged(model_changed(model, task.models))


def model_changed(live: str | None, models: Sequence[str]) -> str:
    """Return what to do about another live version than the batch's."""
    return (
        f"model version {live} is live, and this batch began with {models[-1]}. Make that live again "
        f"(`songlens model publish {models[-1]}`) and `songlens batch retry`, or go on with the new one by "
        "`songlens batch resume --accept-model`: rows that are done stay as they are, and each names its model."
    )


def _ask(client: AsyncClient, record: BatchRecord) -> Ask[Recommendation]:
    def ask(photo: bytes, request_id: str) -> asyncio.Future[Recommendation] | object:
        return client.recommend(
            photo,
            id=request_id,
            lane=record.lane,
            top_k=record.config.top_k,
            images_k=record.config.images_k,
            songs_per_image=record.config.songs_per_image,
            timeout_s=record.photo_timeout_s,
        )

    return ask  # type: ignore[return-value]
