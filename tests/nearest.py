"""Vectors to search among, and what a full search in float64 finds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from songlens_workers.vision.backbone import Features


def features(count: int, dimensions: int = 64, seed: int = 0) -> Features:
    """Vectors like those of a backbone after ReLU: half zeros, a length of several units, all near one another."""
    generator = np.random.default_rng(seed)
    common = generator.standard_normal(dimensions)
    return np.maximum(common + generator.standard_normal((count, dimensions)), 0).astype(np.float32)


def brute_force(vectors: Features, queries: Features, k: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return Euclidean distances and positions, (N, k), the lower position first among equals."""
    differences = queries[:, None].astype(np.float64) - vectors[None]  # (N, n, D)
    distances = np.sqrt((differences**2).sum(axis=-1))
    positions = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, positions, axis=1), positions
