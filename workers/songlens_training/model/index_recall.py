"""How many of the truly nearest an image index finds: each of a sample of images asks for its neighbours."""

from __future__ import annotations

import numpy as np

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.protocol import Bounds, ImageIndex, Positions
from songlens_workers.vision.index.rows import Vectors

_SAMPLE = 200
_K = 5
_BLOCK_ROWS = 8192
_SAME = 1 + 1e-5


def recall_at_5(index: ImageIndex, vectors: Vectors, *, sample: int = _SAMPLE, seed: int = 1) -> float:
    """Return the share of the 5 nearest of `vectors`, (N, D), that `index` finds, over a sample of them.

    Each image of the sample asks with its own vector and is left out of its answer, so that all that is looked for was
    not seen by the query. A vector as near as the fifth counts, whichever of them is found. 1 for less than two.
    """
    if len(vectors) < 2:
        return 1.0
    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:sample])
    queries = np.array(vectors[chosen], np.float32)
    k = min(_K, len(vectors) - 1)
    fifth = _kth_squares(vectors, queries, chosen, k)  # (Q,)
    _, found = index.search(queries, k + 1)
    hits = 0
    for query, own, bound, positions in zip(queries, chosen, fifth, found, strict=True):
        others = positions[positions != own][:k]
        squares = ((vectors[others].astype(np.float64) - query) ** 2).sum(axis=1)
        hits += int((squares <= bound * _SAME).sum())
    return hits / (k * len(chosen))


def _kth_squares(vectors: Vectors, queries: Features, own: Positions, k: int) -> Bounds:
    """Return the squared distance of each query's k-th nearest vector but its own, (Q,), by reading all of them."""
    nearest: Bounds = np.full((len(queries), k), np.inf)
    asked = queries.astype(np.float64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = np.asarray(vectors[start : start + _BLOCK_ROWS], np.float64)
        squares = (asked**2).sum(axis=1)[:, None] - 2 * asked @ block.T + (block**2).sum(axis=1)  # (Q, B)
        inside = (own >= start) & (own < start + len(block))
        squares[inside, own[inside] - start] = np.inf
        both = np.concatenate([nearest, squares], axis=1)
        nearest = np.partition(both, k - 1, axis=1)[:, :k]
    bound: Bounds = nearest.max(axis=1)
    return bound
