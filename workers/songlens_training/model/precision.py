"""Proves a backbone in less than fp32 on images of its catalogue before all of them go through it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from songlens_shared.errors import DataError, RequestError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.progress import Progress, step
from songlens_workers.models.manifest import Agreement
from songlens_workers.vision.backbone import Backbone, Features, Unproven
from songlens_workers.vision.decode import decode
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels, Preprocessing

_CALIBRATION_IMAGES = 64
_QUERIES = 100
_INDEXED = 600
_NEIGHBOURS = 5
_BATCH = 8
_SEED = 5


def prove(
    backbone: Backbone, images: Sequence[CatalogueImage], progress: Progress
) -> tuple[Backbone, Agreement | None]:
    """Return the backbone ready to embed, and how far its neighbours are those of fp32.

    A backbone that needs no proof is returned as it is. Images are drawn with a fixed seed; those that calibrate are
    no queries, and no query is in the index. Raises `DataError` where no image can be decoded.
    """
    if not isinstance(backbone, Unproven):
        return backbone, None
    report = step(progress, f"Comparing {backbone.precision} with fp32")
    drawn = random.Random(_SEED).sample(images, min(len(images), _CALIBRATION_IMAGES + _QUERIES + _INDEXED))
    pixels = list(_decoded(drawn, backbone.preprocessing))
    if not pixels:
        raise DataError(f"none of {len(drawn)} catalogue images can be decoded, to calibrate {backbone.precision} by.")
    calibrating = max(1, min(_CALIBRATION_IMAGES, len(pixels) // 2))
    proven = backbone.proven(np.stack(pixels[:calibrating]))
    report(calibrating, len(pixels))
    held_out = np.stack(pixels[calibrating:]) if len(pixels) > calibrating else None
    if held_out is None or len(held_out) <= _NEIGHBOURS:
        return proven, None
    exact = _embedded(backbone.reference, held_out)
    report(len(pixels) - 1, len(pixels))
    agreement = agreement_of(exact, _embedded(proven, held_out))
    report(len(pixels), len(pixels))
    return proven, agreement


def agreement_of(exact: Features, rough: Features) -> Agreement:
    """Return the agreement of N images' features (N, D) in fp32 and in less; N is more than 5."""
    queries = max(1, min(_QUERIES, len(exact) // 7, len(exact) - _NEIGHBOURS))
    truth = _neighbours(exact[:queries], exact[queries:])
    return Agreement(
        recall_at_5=_recall(truth, _neighbours(rough[:queries], rough[queries:])),
        recall_at_5_in_fp32=_recall(truth, _neighbours(rough[:queries], exact[queries:])),
        queries=queries,
        images=len(exact) - queries,
    )


def _decoded(images: Sequence[CatalogueImage], preprocessing: Preprocessing) -> Iterator[Pixels]:
    """Yield uint8 (S, S, 3); what cannot be decoded is refused where all images are."""
    for image in images:
        try:
            yield decode(image.path.read_bytes(), preprocessing, ImageLimits())
        except (OSError, RequestError):
            continue


def _embedded(backbone: Backbone, pixels: Pixels) -> Features:
    return np.concatenate([backbone.embed(pixels[at : at + _BATCH]) for at in range(0, len(pixels), _BATCH)])


def _neighbours(queries: Features, indexed: Features) -> list[set[int]]:
    _, positions = FlatImageIndex.build(indexed).search(queries, _NEIGHBOURS)
    return [set(row) for row in positions.tolist()]


def _recall(truth: Sequence[set[int]], found: Sequence[set[int]]) -> float:
    shares = [len(wanted & got) / len(wanted) for wanted, got in zip(truth, found, strict=True)]
    return round(float(np.mean(shares)), 4)
