"""Requests for features: photo -> decode -> backbone -> reply. Nothing is searched, and the content cache is not asked.

Features come from the backbone of the live model version or, before any is published, from the one that the worker was
started with. A request may say by a fingerprint which backbone they must come from: those of others cannot be compared.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from songlens_shared.errors import BadRequest, NoModel
from songlens_shared.messages import FEATURE_BYTES, FLOAT16, FeatureData, Reply, Request, shown
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.stage import Answer, Observe, Outcome, Work
from songlens_workers.vision.backbone import Backbone, Features
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import Embedder, VisionModel
from songlens_workers.vision.preprocess import Pixels


@dataclass(frozen=True)
class FeaturesWork:
    """A decoded photo whose feature is asked for."""

    request_id: str
    entered_ms: int
    """Redis server time."""

    version: str | None
    """The model version that was live when it was decoded."""

    embedder: Embedder
    dtype: str
    pixels: Pixels
    """uint8 (S, S, 3)"""

    queue_ms: float
    decode_ms: float

    @property
    def backbone(self) -> Backbone:
        """What embeds it."""
        return self.embedder.backbone

    @property
    def batched_with(self) -> str:
        """Photos of one model version go through the backbone together."""
        return self.version or ""


class FeaturesAnswering:
    """Prepares and answers what wants features; the batch in between is the vision stage's."""

    def __init__(
        self,
        live: LiveModel[VisionModel],
        *,
        first: Embedder | None,
        limits: ImageLimits,
        clock: ServerClock,
        observe: Observe,
    ) -> None:
        """`first` gives features until a model version is live; `observe` is told how long decode (a photo) took."""
        self._live = live
        self._first = first
        self._limits = limits
        self._clock = clock
        self._observe = observe

    def prepare(self, work: Work, request: Request, image: bytes) -> FeaturesWork:
        """Decode a photo; raises the `RequestError` of what is wrong, `BadRequest` for features of another backbone."""
        version, embedder = self._embedder()
        _check_backbone(request.backbone, embedder.fingerprint)
        started_s = time.perf_counter()
        pixels = decode(image, embedder.backbone.preprocessing, self._limits)
        decode_s = time.perf_counter() - started_s
        self._observe("decode", decode_s)
        return FeaturesWork(
            request_id=work.delivery.request_id,
            entered_ms=work.delivery.entered_ms,
            version=version,
            embedder=embedder,
            dtype=request.features_dtype,
            pixels=pixels,
            queue_ms=work.queue_ms,
            decode_ms=decode_s * 1000,
        )

    def answers(self, items: Sequence[FeaturesWork], features: Features, embed_ms: float) -> list[Outcome]:
        """Return the reply to each of N photos with its row of float32 (N, D), or why it cannot be told."""
        return [self._answer(item, row, embed_ms) for item, row in zip(items, features, strict=True)]

    def _embedder(self) -> tuple[str | None, Embedder]:
        try:
            version, model = self._live.get()
        except NoModel as error:
            if self._first is None:
                raise NoModel(
                    f"{error.message} Vision workers that are started with --backbone NAME give features without one."
                ) from None
            return None, self._first
        return version, model.embedder

    def _answer(self, item: FeaturesWork, row: Features, embed_ms: float) -> Outcome:
        try:
            data = feature_bytes(row, item.dtype)
        except BadRequest as error:
            return error
        timings = {
            "queue": item.queue_ms,
            "decode": item.decode_ms,
            "embed": embed_ms,
            "total": float(max(0, self._clock.now_ms() - item.entered_ms)),
        }
        features = FeatureData(dtype=item.dtype, dimensions=len(row), data=data, backbone=item.embedder.fingerprint)
        return Answer(Reply(id=item.request_id, status="ok", model=item.version, timings_ms=timings, features=features))


def _check_backbone(wanted: str | None, fingerprint: str) -> None:
    if wanted not in (None, fingerprint):
        raise BadRequest(
            f"features of the backbone {shown(wanted)} are wanted, and this vision worker has {fingerprint}: start the "
            "vision workers with the backbone, weights and precision that are wanted, or leave `backbone` out."
        )


def feature_bytes(row: Features, dtype: str) -> bytes:
    """Return float32 (D,) as little-endian numbers of a dtype; raises `BadRequest` where float16 cannot hold one."""
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused
        numbers = row.astype(f"<f{FEATURE_BYTES[dtype]}")
    if dtype == FLOAT16 and not np.isfinite(numbers).all():
        raise BadRequest(
            f"a number of this photo's feature, {np.abs(row).max():g}, does not fit into float16 (65504 at most); ask "
            "for float32."
        )
    return numbers.tobytes()
