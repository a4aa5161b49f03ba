"""The vision stage: photo -> decode -> backbone -> nearest catalogue images -> hits.

A photo whose bytes were searched in the same model version of late goes from the content cache to hits at once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from songlens_shared.codec import decode_request, encode_hits
from songlens_shared.functions import Delivery
from songlens_shared.messages import Hits, NeighbourImage, Request
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.stage import HandOver, Outcome, Work, run_by_version
from songlens_workers.vision.content_cache import ContentCache, Key, Neighbours
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import VisionModel
from songlens_workers.vision.photo_source import PhotoSource
from songlens_workers.vision.preprocess import Pixels

_NO_TIME = {"decode": 0.0, "embed": 0.0, "search": 0.0}


@dataclass(frozen=True)
class Asked:
    """What was asked for with a photo, and the model version that it is searched in.

    Not the request itself, whose encoded photo would stay in memory for as long as the batch waits.
    """

    delivery: Delivery
    images_k: int
    top_k: int
    songs_per_image: int
    user: str | None = field(repr=False)
    user_weight: float | None
    trace: str | None
    version: str
    model: VisionModel
    queue_ms: float


@dataclass(frozen=True)
class PhotoWork:
    """A decoded photo."""

    asked: Asked
    key: Key | None
    """Of the content cache."""

    pixels: Pixels
    """uint8 (S, S, 3)"""

    decode_ms: float


class VisionStage:
    """Embeds and searches a batch at once for each model version in it; photos that it knows, not at all."""

    name = "vision"

    def __init__(
        self,
        live: LiveModel[VisionModel],
        *,
        limits: ImageLimits,
        cache: ContentCache,
        photos: PhotoSource | None = None,
    ) -> None:
        """Without `photos`, requests must carry theirs."""
        self._live = live
        self._limits = limits
        self._cache = cache
        self._photos = photos or PhotoSource(limits=limits)

    def ready(self) -> list[str]:
        """Return why the stage cannot serve."""
        return self._live.faults()

    def prepare(self, work: Work) -> PhotoWork | HandOver:
        """Decode a request and its photo, fetched if it is named by uri; raises the `RequestError` of what is wrong.

        Returns the hits of a photo whose neighbours are in the content cache.
        """
        request = decode_request(work.delivery.payload)
        image = self._photos.bytes_of(request)
        asked = _asked(work, request, *self._live.get())
        key = self._cache.key(image, asked.version)
        known = self._cache.find(key, min(asked.images_k, len(asked.model.index)))
        if known is not None:
            return _hits(asked, known, _NO_TIME, cached=True)
        started_s = time.perf_counter()
        pixels = decode(image, asked.model.backbone.preprocessing, self._limits)
        decode_ms = (time.perf_counter() - started_s) * 1000
        return PhotoWork(asked=asked, key=key, pixels=pixels, decode_ms=decode_ms)

    def size_bytes(self, item: PhotoWork) -> int:
        """Return the size of the decoded pixels."""
        return item.pixels.nbytes

    def run(self, items: Sequence[PhotoWork]) -> list[Outcome]:
        """Return the hits of each photo. A photo is searched in the version that it was decoded for."""
        return run_by_version(items, lambda item: item.asked.version, lambda _, members: self._search(members))

    def _search(self, items: Sequence[PhotoWork]) -> list[Outcome]:
        model = items[0].asked.model
        started_s = time.perf_counter()
        features = model.backbone.embed(np.stack([item.pixels for item in items]))  # (N, D)
        embedded_s = time.perf_counter()
        distances, positions = model.index.search(features, max(item.asked.images_k for item in items))  # (N, K)
        batch_ms = {
            "embed": (embedded_s - started_s) * 1000,
            "search": (time.perf_counter() - embedded_s) * 1000,
        }
        found = [Neighbours(*row) for row in zip(distances, positions, strict=True)]
        for item, neighbours in zip(items, found, strict=True):
            self._cache.remember(item.key, neighbours)
        return [
            _hits(item.asked, neighbours, {"decode": item.decode_ms, **batch_ms})
            for item, neighbours in zip(items, found, strict=True)
        ]


def _asked(work: Work, request: Request, version: str, model: VisionModel) -> Asked:
    return Asked(
        delivery=work.delivery,
        images_k=request.images_k,
        top_k=request.top_k,
        songs_per_image=request.songs_per_image,
        user=request.user,
        user_weight=request.user_weight,
        trace=request.trace,
        version=version,
        model=model,
        queue_ms=work.queue_ms,
    )


def _hits(asked: Asked, found: Neighbours, steps_ms: Mapping[str, float], *, cached: bool = False) -> HandOver:
    model = asked.model
    nearest = slice(asked.images_k)
    images = tuple(
        NeighbourImage(id=model.image_ids[position], distance=distance, keywords=model.keywords[position])
        for position, distance in zip(found.positions[nearest].tolist(), found.distances[nearest].tolist(), strict=True)
    )
    hits = Hits(
        id=asked.delivery.request_id,
        client=asked.delivery.client,
        model=asked.version,
        images=images,
        top_k=asked.top_k,
        songs_per_image=asked.songs_per_image,
        submitted_ms=asked.delivery.entered_ms,
        timings_ms={"queue": asked.queue_ms, **steps_ms},
        user=asked.user,
        user_weight=asked.user_weight,
        trace=asked.trace,
        cached=cached,
    )
    return HandOver(asked.delivery.keys.hits, encode_hits(hits))
