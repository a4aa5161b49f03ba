"""The features of one shard: its images through the bulk lane, a bounded number in flight, into the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from songlens.aio import AsyncClient
from songlens.features import PhotoFeatures
from songlens_batch.scoring.asking import TRIES, Ask, Asking, Refused, reading_threads
from songlens_batch.scoring.in_order import in_order
from songlens_shared.errors import BadImage, BadRequest, ImageTooLarge
from songlens_shared.keys import BULK
from songlens_shared.messages import FEATURE_BYTES
from songlens_training.distributed.errors import TooManyLeftOut
from songlens_training.distributed.image_files import read_planned
from songlens_training.distributed.plan import PlanRecord
from songlens_training.distributed.vision_workers import advice, not_given
from songlens_training.model.feature_store import Digest, ShardWriter
from songlens_training.model.image_file import ImageFile
from songlens_workers.vision.backbone import Features

ANSWER_S = 600.0
"""How long one image may wait in the queue and be worked on, each time that it is tried; as a batch's photos."""

_OWN = (BadImage.code, ImageTooLarge.code)
_LEFT_OUT_AT_LEAST = 10

Told = Callable[[int], None]
"""Called with how many images of the shard have been dealt with."""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """What one run of a shard's job is to do."""

    record: PlanRecord
    images: Sequence[ImageFile]
    """Those that lack a feature."""

    run: str
    """Begins the ids of its requests. Another one each time: a reply that says no is kept for an hour."""

    in_flight: int
    patience_s: float

    def request_id(self, image: ImageFile) -> str:
        """Return what the request for an image is known by, but for the number of the try."""
        return f"{self.run}.{image.digest.hex()[:32]}"

    def request_ids(self) -> list[str]:
        """Return every id that may have been asked under."""
        return [f"{self.request_id(image)}.{number}" for image in self.images for number in range(TRIES)]


async def extract(task: ShardTask, client: AsyncClient, writer: ShardWriter, told: Told) -> dict[Digest, Refused]:
    """Put the features into the store; return the images that got none.

    Raises `NotShared`, `NotGiven`, `TooManyLeftOut`, `NotServing`, and `ModelError` where the store cannot be written.
    """
    refused: dict[Digest, Refused] = {}
    with ThreadPoolExecutor(reading_threads(task.in_flight)) as threads:
        asking: Asking[ImageFile, PhotoFeatures] = Asking(
            ask=_ask(client, task.record),
            read=read_planned,
            threads=threads,
            advice=advice(task.record.backbone),
            patience_s=task.patience_s,
        )

        async def answered(image: ImageFile) -> tuple[ImageFile, PhotoFeatures | Refused]:
            return image, await asking.answer(image, task.request_id(image))

        done = 0
        async for image, outcome in in_order(task.images, answered, at_once=task.in_flight):
            if isinstance(outcome, Refused):
                _check_refused(outcome, task.record)
                refused[image.digest] = outcome
            else:
                writer.add([image.digest], _row(outcome, task.record))
            done += 1
            told(done)
    check_left_out(refused, len(task.images))
    return refused


def _ask(client: AsyncClient, record: PlanRecord) -> Ask[PhotoFeatures]:
    fingerprint = record.backbone.fingerprint

    def ask(photo: bytes, request_id: str) -> Awaitable[PhotoFeatures]:
        return client.features(
            photo, id=request_id, backbone=fingerprint, dtype=record.dtype, lane=BULK, timeout_s=ANSWER_S
        )

    return ask


def _row(found: PhotoFeatures, record: PlanRecord) -> Features:
    """Return float32 (1, D); raises `NotGiven` for features of another backbone, which nobody should send."""
    if (found.backbone, found.dimensions) != (record.backbone.fingerprint, record.backbone.dimensions):
        raise not_given(f"these are {found.dimensions} numbers of {found.backbone}.", record.backbone)
    numbers = np.frombuffer(found.data, f"<f{FEATURE_BYTES[found.dtype]}")
    return numbers.astype(np.float32)[np.newaxis]  # (1, D)


def _check_refused(outcome: Refused, record: PlanRecord) -> None:
    """What is wrong with the request is wrong with all of them."""
    if outcome.code == BadRequest.code:
        raise not_given(outcome.message, record.backbone)


def check_left_out(refused: dict[Digest, Refused], images: int) -> None:
    """Raise `TooManyLeftOut` where more than half fail by what is not their own.

    A broken mount or worker is no reason to let the build's machine compute a whole shard.
    """
    others = [one for one in refused.values() if one.code not in _OWN]
    if len(others) > max(_LEFT_OUT_AT_LEAST, images // 2):
        told = ", ".join(f"{count} {code}" for code, count in Counter(one.code for one in others).most_common())
        raise TooManyLeftOut(
            f"{len(others)} of {images} images of a shard got no feature ({told}); the last: {others[-1].message}"
        )
