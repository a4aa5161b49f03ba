"""Image features: catalogue images through the backbone, in batches, decoded ahead of it by threads.

What was computed is kept in a `FeatureStore` every few seconds, so that an extraction that was broken off goes on where
it stood. What others have put there meanwhile is taken as it is: `Elsewhere` lets them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from songlens_shared.errors import DataError, RequestError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.tables import RejectLog, Row
from songlens_training.model.feature_store import Digest, FeatureStore, ShardWriter, StoredFeatures
from songlens_training.model.image_file import ImageFile
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels

_THREADS = 2
_BATCH_IMAGES = 8


class Elsewhere(Protocol):
    """Computes features where there is more to compute with than here."""

    def __call__(self, images: Sequence[ImageFile], store: FeatureStore, /) -> int:
        """Put into the store what it lacks of these images, and return how many; what it cannot make is left out."""


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """The images that could be decoded, and their features in the same order."""

    images: list[CatalogueImage]
    features: StoredFeatures
    computed: int
    """Images that went through the backbone here; the others were in the store."""

    elsewhere: int
    """Images that were put into the store by others for this extraction."""

    images_per_s: float
    """At which rate those were computed; 0 when there were none."""


def extract_features(
    images: Sequence[CatalogueImage],
    backbone: Backbone,
    store: FeatureStore,
    rejects: RejectLog,
    *,
    source: str,
    progress: Callable[[int, int], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Extracted:
    """Return the images that could be decoded, with their features; those not in `store` are computed and kept there.

    With `elsewhere`, only what that leaves out is computed here. An image that cannot be read or decoded is refused
    into `rejects`. `progress` counts the images that have to be computed. Raises `DataError` when no image is left,
    `ModelError` where the store cannot be written, and what `elsewhere` raises.
    """

    def refuse(image: CatalogueImage, reason: str) -> None:
        rejects.refuse(source, Row(line=None, fields={"path": str(image.path)}), reason)

    with ThreadPoolExecutor(_THREADS) as pool:
        digests = _digests(images, pool, refuse)
        made = 0 if elsewhere is None else elsewhere(_files(images, digests), store)
        held = store.held()
        missing = [image for image in images if image.id in digests and digests[image.id] not in held]
        started_s = time.monotonic()
        computed = 0
        with ShardWriter(store) as shard:
            for batch, decoded in _decoded(missing, backbone, pool, refuse):
                if decoded:
                    shard.add([digests[id] for id in decoded], backbone.embed(np.stack(list(decoded.values()))))
                for image in batch:
                    if image.id not in decoded:
                        del digests[image.id]
                computed += len(batch)
                if progress is not None:
                    progress(computed, len(missing))
    kept = [image for image in images if image.id in digests]
    if not kept:
        raise DataError(f"none of the {len(images)} images of {source} can be decoded; the rejects file says why.")
    return Extracted(
        images=kept,
        features=StoredFeatures(store, [digests[image.id] for image in kept]),
        computed=computed,
        elsewhere=made,
        images_per_s=computed / max(time.monotonic() - started_s, 1e-9),
    )


Refuse = Callable[[CatalogueImage, str], None]


def _digests(images: Sequence[CatalogueImage], pool: ThreadPoolExecutor, refuse: Refuse) -> dict[str, Digest]:
    """Return the digest of each image file that can be read, by image id."""
    found: dict[str, Digest] = {}
    for image, digest in zip(images, pool.map(_digest, images), strict=True):
        if isinstance(digest, OSError):
            refuse(image, f"the file cannot be read: {digest.strerror or digest}")
        else:
            found[image.id] = digest
    return found


def _files(images: Sequence[CatalogueImage], digests: Mapping[str, Digest]) -> list[ImageFile]:
    return [ImageFile(image.path, digests[image.id]) for image in images if image.id in digests]


def _digest(image: CatalogueImage) -> Digest | OSError:
    try:
        with image.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        return error


def _decoded(
    images: Sequence[CatalogueImage], backbone: Backbone, pool: ThreadPoolExecutor, refuse: Refuse
) -> Iterator[tuple[Sequence[CatalogueImage], dict[str, Pixels]]]:
    """Yield batches and what could be decoded of each, by image id; the next is decoded while the caller works."""

    def load(image: CatalogueImage) -> Pixels | str:
        return _decode(image, backbone)

    batches = [images[start : start + _BATCH_IMAGES] for start in range(0, len(images), _BATCH_IMAGES)]
    ahead = pool.map(load, batches[0]) if batches else iter(())
    for number, batch in enumerate(batches):
        outcomes = list(ahead)
        ahead = pool.map(load, batches[number + 1]) if number + 1 < len(batches) else iter(())
        decoded: dict[str, Pixels] = {}
        for image, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, str):
                refuse(image, outcome)
            else:
                decoded[image.id] = outcome
        yield batch, decoded


def _decode(image: CatalogueImage, backbone: Backbone) -> Pixels | str:
    """Return the pixels, or why there are none."""
    try:
        return decode(image.path.read_bytes(), backbone.preprocessing, ImageLimits())
    except RequestError as error:
        return error.message
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
