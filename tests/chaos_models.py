"""Small model versions that real stages serve: the tiny backbone's features, NE vectors by chance."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import redis
from PIL import Image
from song_models import image_ids, manifest, publish, random_vectors

from songlens_training.catalogue.images import CatalogueImage
from songlens_training.model.artefacts import write_images, write_manifest
from songlens_workers.models.manifest import IMAGE_INDEX
from songlens_workers.models.store import ModelStore
from songlens_workers.vision import tiny
from songlens_workers.vision.decode import decode
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import backbone_spec

IMAGES, SONGS, DIMENSIONS = 50, 200, 16


@cache
def photo(seed: int) -> bytes:
    """Return a small JPEG of coarse coloured noise, about 1 KB."""
    levels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(levels).resize((64, 64)).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def write_version(store: ModelStore, version: str, *, seed: int = 0) -> Path:
    """Write the files that a vision worker opens; the keyword of every image names the version."""
    folder = store.folder / version
    folder.mkdir(parents=True)
    backbone = tiny.load(device="cpu")
    pixels = [decode(photo(1000 * seed + number), backbone.preprocessing, ImageLimits()) for number in range(IMAGES)]
    FlatImageIndex.build(backbone.embed(np.stack(pixels))).save(folder / IMAGE_INDEX)
    images = [CatalogueImage(id=id, path=Path(id), keywords={}) for id in image_ids(IMAGES)]
    write_images(folder, images, {image.id: {f"keyword of {version}": 1.0} for image in images})
    made = manifest(
        version, images=IMAGES, songs=SONGS, dimensions=DIMENSIONS, backbone=backbone_spec(backbone), keywords=["雪"]
    )
    write_manifest(folder, made)
    return folder


def publish_version(connection: redis.Redis, version: str, *, seed: int = 0) -> None:
    """Load what a song worker reads into Redis, and make the version live; a song's title names its version."""
    publish(connection, version, random_vectors(seed, IMAGES, DIMENSIONS), random_vectors(seed + 1, SONGS, DIMENSIONS))
