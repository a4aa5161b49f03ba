"""What an image index is, and what proposes its candidates.

Positions are row numbers: position i is the i-th vector that was added, and row i of the model version's images table.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from songlens_workers.vision.backbone import Features

Distances = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]
Bounds = npt.NDArray[np.float64]


class ImageIndex(Protocol):
    """An index of vectors with D dimensions."""

    @property
    def dimensions(self) -> int:
        """D."""

    def __len__(self) -> int:
        """The number of vectors."""

    def search(self, queries: Features, k: int) -> tuple[Distances, Positions]:
        """Return the k nearest vectors of each query, nearest first, the lower position first among equals.

        `queries` is float32 (N, D). Returns Euclidean (not squared) distances, float32 (N, K), and positions,
        int64 (N, K), where K = min(k, the number of vectors).
        Raises `ValueError` for another D, values that are not finite, or k < 1.
        """


class Proposal(Protocol):
    """Candidates of a block of queries."""

    def nearest(self, rows: Positions, count: int) -> tuple[Bounds, Positions]:
        """Return, for some rows of the block, `count` candidates each: positions int64 (R, C), in any order.

        With them float64 (R,): no vector that is not among the candidates is nearer than this squared distance, as far
        as the kind of index can tell.
        """


class Candidates(Protocol):
    """Proposes vectors that may be nearest; their distances are measured elsewhere."""

    queries_at_once: int
    """Queries of one block at most, which bounds the memory that a proposal takes."""

    def propose(self, queries: Features) -> Proposal:
        """Return the proposal for float32 (N, D), finite, N at most `queries_at_once`."""


def checked_vectors(vectors: Features, dimensions: int, what: str) -> Features:
    """Return contiguous float32 (N, D). Raises `ValueError` for another D or values that are not finite."""
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    if matrix.ndim != 2 or matrix.shape[1] != dimensions:
        raise ValueError(f"{what} must be (N, {dimensions}); got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{what} must be finite; some values are infinite or not a number")
    return matrix
