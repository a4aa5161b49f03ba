"""The vision stage: photo -> decode -> backbone -> nearest catalogue images -> hits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from songlens_shared.codec import decode_request, encode_hits
from songlens_shared.functions import Delivery
from songlens_shared.messages import Hits, NeighbourImage
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.stage import HandOver, Outcome, Work, run_by_version
from songlens_workers.vision.decode import decode
from songlens_workers.vision.image_index import Distances, Positions
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import VisionModel
from songlens_workers.vision.photo_source import PhotoSource
from songlens_workers.vision.preprocess import Pixels


@dataclass(frozen=True)
class PhotoWork:
    """A decoded photo, what was asked for with it, and the model that it was decoded for.

    Not the request itself, whose encoded photo would stay in memory for as long as the batch waits.
    """

    delivery: Delivery
    images_k: int
    top_k: int
    songs_per_image: int
    user: str | None = field(repr=False)
    user_weight: float | None
    trace: str | None
    pixels: Pixels
    """uint8 (S, S, 3)"""

    version: str
    model: VisionModel
    queue_ms: float
    decode_ms: float


class VisionStage:
    """Embeds and searches a batch at once for each model version in it."""

    name = "vision"

    def __init__(self, live: LiveModel[VisionModel], *, limits: ImageLimits, photos: PhotoSource | None = None) -> None:
        """Without `photos`, requests must carry theirs."""
        self._live = live
        self._limits = limits
        self._photos = photos or PhotoSource(limits=limits)

    def ready(self) -> list[str]:
        """Return why the stage cannot serve."""
        return self._live.faults()

    def prepare(self, work: Work) -> PhotoWork:
        """Decode a request and its photo, fetched if it is named by uri; raises the `RequestError` of what is wrong."""
        request = decode_request(work.delivery.payload)
        version, model = self._live.get()
        image = self._photos.bytes_of(request)
        started_s = time.perf_counter()
        pixels = decode(image, model.backbone.preprocessing, self._limits)
        return PhotoWork(
            delivery=work.delivery,
            images_k=request.images_k,
            top_k=request.top_k,
            songs_per_image=request.songs_per_image,
            user=request.user,
            user_weight=request.user_weight,
            trace=request.trace,
            pixels=pixels,
            version=version,
            model=model,
            queue_ms=work.queue_ms,
            decode_ms=(time.perf_counter() - started_s) * 1000,
        )

    def size_bytes(self, item: PhotoWork) -> int:
        """Return the size of the decoded pixels."""
        return item.pixels.nbytes

    def run(self, items: Sequence[PhotoWork]) -> list[Outcome]:
        """Return the hits of each photo. A photo is searched in the version that it was decoded for."""
        return run_by_version(items, lambda item: item.version, lambda _, members: _search(members))


def _search(items: Sequence[PhotoWork]) -> list[Outcome]:
    model = items[0].model
    started_s = time.perf_counter()
    features = model.backbone.embed(np.stack([item.pixels for item in items]))  # (N, D)
    embedded_s = time.perf_counter()
    distances, positions = model.index.search(features, max(item.images_k for item in items))  # (N, K)
    batch_ms = {
        "embed": (embedded_s - started_s) * 1000,
        "search": (time.perf_counter() - embedded_s) * 1000,
    }
    return [
        _hits(item, row_distances, row_positions, batch_ms)
        for item, row_distances, row_positions in zip(items, distances, positions, strict=True)
    ]


def _hits(item: PhotoWork, distances: Distances, positions: Positions, batch_ms: dict[str, float]) -> HandOver:
    model = item.model
    images = tuple(
        NeighbourImage(id=model.image_ids[position], distance=distance, keywords=model.keywords[position])
        for position, distance in zip(
            positions[: item.images_k].tolist(), distances[: item.images_k].tolist(), strict=True
        )
    )
    hits = Hits(
        id=item.delivery.request_id,
        client=item.delivery.client,
        model=item.version,
        images=images,
        top_k=item.top_k,
        songs_per_image=item.songs_per_image,
        submitted_ms=item.delivery.entered_ms,
        timings_ms={"queue": item.queue_ms, "decode": item.decode_ms, **batch_ms},
        user=item.user,
        user_weight=item.user_weight,
        trace=item.trace,
    )
    return HandOver(item.delivery.keys.hits, encode_hits(hits))
