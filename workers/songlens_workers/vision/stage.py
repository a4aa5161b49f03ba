"""The vision stage: photo -> decode -> backbone -> nearest catalogue images -> hits.

A photo whose bytes were searched in the same model version of late goes from the content cache to hits at once. One
whose features are wanted shares the forward pass with the others, and is answered here (features.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from songlens_shared.codec import decode_request, encode_hits
from songlens_shared.functions import Delivery
from songlens_shared.messages import FEATURES, Hits, NeighbourImage, Request
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.stage import HandOver, Observe, Outcome, Work, run_by_version, unobserved
from songlens_workers.runtime.tracing import Follow, unfollowed
from songlens_workers.vision.backbone import Backbone, Features
from songlens_workers.vision.content_cache import ContentCache, Key, Neighbours
from songlens_workers.vision.decode import decode
from songlens_workers.vision.features import FeaturesAnswering, FeaturesWork
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import Embedder, VisionModel
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

    @property
    def backbone(self) -> Backbone:
        """What embeds it."""
        return self.asked.model.backbone

    @property
    def batched_with(self) -> str:
        """Photos of one model version go through the backbone together."""
        return self.asked.version


class VisionStage:
    """Embeds and searches a batch at once for each model version in it; photos that it knows, not at all."""

    name = "vision"

    def __init__(
        self,
        live: LiveModel[VisionModel],
        *,
        limits: ImageLimits,
        cache: ContentCache,
        clock: ServerClock,
        photos: PhotoSource | None = None,
        first: Embedder | None = None,
        observe: Observe = unobserved,
        follow: Follow = unfollowed,
    ) -> None:
        """Without `photos`, requests must carry theirs. `first` gives features until a model version is live.

        `observe` is told how long decode (each photo), embed and search (each batch) took.
        """
        self._live = live
        self._limits = limits
        self._cache = cache
        self._photos = photos or PhotoSource(limits=limits)
        self._first = first
        self._observe = observe
        self._follow = follow
        self._features = FeaturesAnswering(live, first=first, limits=limits, clock=clock, observe=observe)

    def ready(self) -> list[str]:
        """Return why the stage cannot serve. Features alone are enough, until a version is published."""
        gives_features = self._first is not None and not self._live.refused
        return [] if gives_features else self._live.faults()

    def prepare(self, work: Work) -> PhotoWork | FeaturesWork | HandOver:
        """Decode a request and its photo, fetched if it is named by uri; raises the `RequestError` of what is wrong.

        Returns the hits of a photo whose neighbours are in the content cache.
        """
        request = decode_request(work.delivery.payload)
        trace = self._follow(work.delivery, request.trace)
        image = self._photos.bytes_of(request)
        if request.want == FEATURES:
            return self._features.prepare(work, request, image)
        asked = _asked(work, request, trace, *self._live.get())
        key = self._cache.key(image, asked.version)
        known = self._cache.find(key, min(asked.images_k, len(asked.model.index)))
        if known is not None:
            return _handed_over(asked, known, _NO_TIME, cached=True)
        started_s = time.perf_counter()
        pixels = decode(image, asked.model.backbone.preprocessing, self._limits)
        decode_s = time.perf_counter() - started_s
        self._observe("decode", decode_s)
        return PhotoWork(asked=asked, key=key, pixels=pixels, decode_ms=decode_s * 1000)

    def size_bytes(self, item: PhotoWork | FeaturesWork) -> int:
        """Return the size of the decoded pixels."""
        return item.pixels.nbytes

    def run(self, items: Sequence[PhotoWork | FeaturesWork]) -> list[Outcome]:
        """Return hits or features of each photo. A photo is searched in the version that it was decoded for."""
        return run_by_version(items, lambda item: item.batched_with, lambda _, members: self._run(members))

    def _run(self, items: Sequence[PhotoWork | FeaturesWork]) -> list[Outcome]:
        started_s = time.perf_counter()
        features = items[0].backbone.embed(np.stack([item.pixels for item in items]))  # (N, D)
        embed_s = time.perf_counter() - started_s
        self._observe("embed", embed_s)
        embed_ms = embed_s * 1000
        searched = [item for item in items if isinstance(item, PhotoWork)]
        if len(searched) == len(items):
            return self._search(searched, features, embed_ms)
        answered = [item for item in items if isinstance(item, FeaturesWork)]
        wanted = np.array([isinstance(item, FeaturesWork) for item in items])  # (N,)
        hits = iter(self._search(searched, features[~wanted], embed_ms) if searched else ())
        answers = iter(self._features.answers(answered, features[wanted], embed_ms))
        return [next(answers if is_wanted else hits) for is_wanted in wanted.tolist()]

    def _search(self, items: Sequence[PhotoWork], features: Features, embed_ms: float) -> list[Outcome]:
        """Return the hits of N photos of one version, whose features are float32 (N, D)."""
        started_s = time.perf_counter()
        index, deepest = items[0].asked.model.index, max(item.asked.images_k for item in items)
        distances, positions = index.search(features, deepest)  # (N, K)
        search_s = time.perf_counter() - started_s
        self._observe("search", search_s)
        batch_ms = {"embed": embed_ms, "search": search_s * 1000}
        found = [Neighbours(*row) for row in zip(distances, positions, strict=True)]
        for item, neighbours in zip(items, found, strict=True):
            self._cache.remember(item.key, neighbours)
        return [
            _handed_over(item.asked, neighbours, {"decode": item.decode_ms, **batch_ms})
            for item, neighbours in zip(items, found, strict=True)
        ]


def _asked(work: Work, request: Request, trace: str | None, version: str, model: VisionModel) -> Asked:
    return Asked(
        delivery=work.delivery,
        images_k=request.images_k,
        top_k=request.top_k,
        songs_per_image=request.songs_per_image,
        user=request.user,
        user_weight=request.user_weight,
        trace=trace,
        version=version,
        model=model,
        queue_ms=work.queue_ms,
    )


def _handed_over(asked: Asked, found: Neighbours, steps_ms: Mapping[str, float], *, cached: bool = False) -> HandOver:
    return HandOver(
        asked.delivery.keys.hits,
        lambda: encode_hits(_hits(asked, found, steps_ms, cached)),
        model=asked.version,
        timings_ms=steps_ms,
        cached=cached,
    )


def _hits(asked: Asked, found: Neighbours, steps_ms: Mapping[str, float], cached: bool) -> Hits:
    model = asked.model
    nearest = slice(asked.images_k)
    images = tuple(
        NeighbourImage(id=model.image_ids[position], distance=distance, keywords=model.keywords[position])
        for position, distance in zip(found.positions[nearest].tolist(), found.distances[nearest].tolist(), strict=True)
    )
    return Hits(
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
        lane=asked.delivery.lane,
    )
