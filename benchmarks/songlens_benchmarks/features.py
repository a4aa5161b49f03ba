"""Image features to measure with: made up ones of any size, and real ones that builds have kept."""

from __future__ import annotations

import zipfile

import numpy as np

from songlens_shared.address import home
from songlens_workers.vision.backbone import Features

_FACTORS = 256
_BLOCK_ROWS = 8192
_QUERIES = 500
_QUICK_SHARDS = 8


def like_features(count: int, dimensions: int, *, seed: int = 1) -> Features:
    """Return float32 (count, dimensions) like those after a ReLU: about half zeros, some hundred factors, noise."""
    generator = np.random.default_rng(seed)
    factors = generator.standard_normal((_FACTORS, dimensions), dtype=np.float32) / np.float32(np.sqrt(_FACTORS))
    vectors = np.empty((count, dimensions), np.float32)
    for start in range(0, count, _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        generator.standard_normal(out=block, dtype=np.float32)
        block *= 0.3
        block += generator.standard_normal((len(block), _FACTORS), dtype=np.float32) @ factors
        np.maximum(block, 0, out=block)
    return vectors


def held_out(*, quick: bool = False) -> tuple[Features, Features] | None:
    """Return the kept features of EfficientNet-Lite2, and of some images that are not among them; None without any."""
    shards = sorted((home() / "features").glob("efficientnet_lite2-*/*.npz"))[: _QUICK_SHARDS if quick else None]
    found = [features for shard in shards if (features := _read(str(shard))) is not None]
    if not found:
        return None
    vectors = np.concatenate(found)
    order = np.random.default_rng(1).permutation(len(vectors))
    queries = min(_QUERIES, len(vectors) // 10)
    return vectors[order[queries:]], vectors[order[:queries]]


def _read(path: str) -> Features | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            features: Features = arrays["features"]
            return features
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
