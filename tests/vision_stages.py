"""A vision stage as its worker puts it together, around the tiny backbone and versions on disk, and its requests."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from manual_clock import ManualClock
from PIL import Image
from prometheus_client import CollectorRegistry
from song_models import manifest
from stages import CLIENT, KEYS

from songlens_shared.codec import decode_hits, encode_request
from songlens_shared.functions import Delivery
from songlens_shared.messages import Hits, Request
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.model.artefacts import write_images, write_manifest
from songlens_workers.models.live import LiveModel
from songlens_workers.models.manifest import IMAGE_INDEX
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.metrics import ContentCacheMetrics
from songlens_workers.runtime.stage import HandOver, Outcome, Work
from songlens_workers.vision.backbone import Backbone, Features
from songlens_workers.vision.content_cache import ContentCache
from songlens_workers.vision.decode import decode
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import Embedder, VisionModel, VisionModels, backbone_spec
from songlens_workers.vision.preprocess import Pixels
from songlens_workers.vision.stage import VisionStage

LIMITS = ImageLimits(max_pixels=100_000)
CACHE_TTL_S = 600.0


def photo(seed: int) -> bytes:
    """Return a PNG of coarse coloured noise."""
    levels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(levels).resize((96, 72)).save(buffer, "PNG")
    return buffer.getvalue()


def features(backbone: Backbone, photos: Sequence[bytes]) -> Features:
    return backbone.embed(np.stack([decode(photo, backbone.preprocessing, LIMITS) for photo in photos]))


def build(store: ModelStore, version: str, network: Backbone, seeds: Sequence[int], **changes: Any) -> None:
    """Write a version whose images are these seeds' photos; image i has a heavy and a light keyword."""
    folder = store.folder / version
    folder.mkdir(parents=True)
    ids = [f"{version}-{seed}" for seed in seeds]
    FlatImageIndex.build(features(network, [photo(seed) for seed in seeds])).save(folder / IMAGE_INDEX)
    images = [CatalogueImage(id=id, path=Path(id), keywords={}) for id in ids]
    write_images(folder, images, {id: {"轻": 0.5, f"重{id}": 1.0} for id in ids})
    made = manifest(version, images=len(seeds), songs=1, dimensions=4, backbone=backbone_spec(network))
    write_manifest(folder, made.model_copy(update=changes))


class Vision:
    """A vision stage as its worker puts it together; live version and time are what the test says."""

    def __init__(
        self,
        store: ModelStore,
        backbone: Backbone,
        *,
        cache_entries: int = 0,
        cache: type[ContentCache] = ContentCache,
        first: Backbone | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.version: str | None = None
        self.loaded: list[str] = []
        self.models = VisionModels(store, load_backbone=lambda spec, _: self._load(spec.name, backbone))
        self.live: LiveModel[VisionModel] = LiveModel(current=lambda: self.version, load=self.models.open, poll_s=60)
        self.cache = cache(
            cache_entries,
            CACHE_TTL_S,
            metrics=ContentCacheMetrics(CollectorRegistry()),
            clock=self.clock.monotonic_s,
        )
        self.stage = VisionStage(
            self.live,
            limits=LIMITS,
            cache=self.cache,
            clock=ServerClock(),
            first=None if first is None else Embedder.of(first),
        )

    def _load(self, name: str, backbone: Backbone) -> Backbone:
        self.loaded.append(name)
        return backbone

    def make_live(self, version: str) -> None:
        self.version = version
        self.live.poll()
        assert self.live.version == version, self.live.faults()


def work(payload: bytes, id: str = "r1") -> Work:
    delivery = Delivery(
        keys=KEYS,
        stream=KEYS.requests("interactive"),
        group="vision",
        entry_id=b"1700000000000-0",
        payload=payload,
        request_id=id,
        client=CLIENT,
        deadline_ms=2**45,
    )
    return Work(delivery, claimed_ms=1_700_000_000_025)


def request(image: bytes, id: str = "r1", **options: Any) -> Work:
    return work(encode_request(Request(id=id, client=CLIENT, image=image, **options)), id)


def decoded(outcomes: Sequence[Outcome]) -> list[Hits]:
    assert all(isinstance(outcome, HandOver) and outcome.stream == KEYS.hits for outcome in outcomes)
    return [decode_hits(outcome.payload()) for outcome in outcomes if isinstance(outcome, HandOver)]


class CountingBackbone:
    """The tiny backbone; counts the photos that it embeds."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.embedded: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def embed(self, pixels: Pixels) -> Features:
        self.embedded.append(len(pixels))
        return self._backbone.embed(pixels)
