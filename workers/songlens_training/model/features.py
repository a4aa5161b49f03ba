"""Image features: catalogue images through the backbone, in batches, decoded ahead of it by threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from songlens_shared.errors import DataError, RequestError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.tables import RejectLog, Row
from songlens_workers.vision.backbone import Backbone, Features
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels

_DECODE_THREADS = 2


def extract_features(
    images: Sequence[CatalogueImage],
    backbone: Backbone,
    rejects: RejectLog,
    *,
    source: str,
    batch_size: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[CatalogueImage], Features]:
    """Return the images that could be decoded, and their features, float32 (N, D), in the same order.

    An image that cannot be decoded is refused into `rejects`. Raises `DataError` when none is left.
    """
    kept: list[CatalogueImage] = []
    features: list[Features] = []
    done = 0
    with ThreadPoolExecutor(_DECODE_THREADS) as pool:
        for batch, outcomes in _decoded(images, backbone, pool, batch_size):
            good = _without_refused(batch, outcomes, rejects, source)
            if good:
                kept += [image for image, _ in good]
                features.append(backbone.embed(np.stack([pixels for _, pixels in good])))  # (B, D)
            done += len(batch)
            if progress is not None:
                progress(done, len(images))
    if not kept:
        raise DataError(f"none of the {len(images)} images of {source} can be decoded; the rejects file says why.")
    return kept, np.concatenate(features)


Decoded = Pixels | RequestError


def _decoded(
    images: Sequence[CatalogueImage], backbone: Backbone, pool: ThreadPoolExecutor, batch_size: int
) -> Iterator[tuple[Sequence[CatalogueImage], list[Decoded]]]:
    """Yield batches; the next one is decoded while the caller works on this one."""

    def load(image: CatalogueImage) -> Decoded:
        return _decode(image.path, backbone)

    batches = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    ahead = pool.map(load, batches[0]) if batches else iter(())
    for number, batch in enumerate(batches):
        outcomes = list(ahead)
        ahead = pool.map(load, batches[number + 1]) if number + 1 < len(batches) else iter(())
        yield batch, outcomes


def _decode(path: Path, backbone: Backbone) -> Decoded:
    try:
        return decode(path.read_bytes(), backbone.preprocessing, ImageLimits())
    except RequestError as error:
        return error
    except OSError as error:
        return RequestError(f"the file cannot be read: {error.strerror or error}")


def _without_refused(
    batch: Sequence[CatalogueImage], outcomes: Sequence[Decoded], rejects: RejectLog, source: str
) -> list[tuple[CatalogueImage, Pixels]]:
    good = []
    for image, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, RequestError):
            rejects.refuse(source, Row(line=None, fields={"path": str(image.path)}), outcome.message)
        else:
            good.append((image, outcome))
    return good
