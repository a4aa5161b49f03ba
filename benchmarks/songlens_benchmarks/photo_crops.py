"""Real photographs for benchmarks: crops of the twenty that the open catalogue sends as queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from songlens_shared.address import home
from songlens_training.open_data.photographs import photographs
from songlens_workers.vision.preprocess import Pixels

_SIDE = 224
_SEED = 5


def photo_crops(each: int) -> Pixels:
    """Return so many random square crops of each photo, shuffled: uint8 (N, 224, 224, 3).

    Raises `DataError` where the package that holds the photos cannot be had.
    """
    random = np.random.default_rng(_SEED)
    paths = [path for path, _ in photographs(home() / "downloads")]
    crops = [_crop(path, random) for path in paths for _ in range(each)]
    return np.stack(crops)[random.permutation(len(crops))]


def _crop(path: Path, random: np.random.Generator) -> Pixels:
    with Image.open(path) as photo:
        picture = photo.convert("RGB")
    short = min(picture.size)
    side = int(short * random.uniform(0.35, 0.95))
    left, top = (int(random.integers(0, length - side + 1)) for length in picture.size)
    resized = picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.asarray(resized)
