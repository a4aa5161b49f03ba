"""Candidates by float32 products with the vectors themselves, or by FAISS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.products import float_products
from songlens_workers.vision.index.protocol import Bounds, Distances, Positions, Proposal
from songlens_workers.vision.index.rows import Rows

if TYPE_CHECKING:
    import torch

# For few queries one matrix product with top-k is several times as fast as FAISS (33,459 x 4096, two CPU cores);
# for more, the scores (queries x vectors) would take too much memory, and FAISS works in blocks.
MAX_PRODUCT_QUERIES = 64
_QUERIES_AT_ONCE = 4096


class FloatCandidates:
    """`Candidates` among float32 rows, by |q|^2 - 2 q.x + |x|^2.

    That expansion cancels badly for near-duplicates, so that its rounding error is part of the bound. Safe from several
    threads.
    """

    queries_at_once = _QUERIES_AT_ONCE

    def __init__(self, rows: Rows, *, max_product_queries: int = MAX_PRODUCT_QUERIES) -> None:
        """Up to `max_product_queries` queries at once are searched by a matrix product, and more by FAISS."""
        self._rows = rows
        self._max_product_queries = max_product_queries
        self.squared_norms: Distances = np.einsum("nd,nd->n", rows.vectors, rows.vectors)

    def propose(self, queries: Features) -> Proposal:
        """Return the proposal for float32 (N, D)."""
        import torch

        rounding = self._rounding_bound(queries)
        if len(queries) > self._max_product_queries:
            return _Searched(self._rows.index, queries, rounding)
        scores = float_products(self._rows.vectors, -2 * queries)  # (n, N)
        scores += torch.from_numpy(self.squared_norms)[:, None]
        return _Scored(scores.T, np.einsum("nd,nd->n", queries, queries), rounding)

    def _rounding_bound(self, queries: Features) -> Bounds:
        """Return (N,), more than float32 can be wrong by in |q|^2 - 2 q.x + |x|^2."""
        longest = np.sqrt(self.squared_norms.max(initial=0.0), dtype=np.float64)
        return rounding_bound(np.linalg.norm(queries, axis=1).astype(np.float64) + longest, self._rows.dimensions)


class _Scored:
    """A proposal from the scores of all vectors, float32 (N, n)."""

    def __init__(self, scores: torch.Tensor, query_norms: Distances, rounding: Bounds) -> None:
        self._scores, self._query_norms, self._rounding = scores, query_norms, rounding

    def nearest(self, rows: Positions, count: int) -> tuple[Bounds, Positions]:
        import torch

        scores = self._scores if len(rows) == len(self._scores) else self._scores[torch.from_numpy(rows)]
        least, chosen = torch.topk(scores, count, dim=1, largest=False, sorted=False)
        farthest = least.amax(dim=1).numpy() + self._query_norms[rows]
        return farthest - self._rounding[rows], chosen.numpy()


class _Searched:
    """A proposal by a search of FAISS's."""

    def __init__(self, index: Any, queries: Features, rounding: Bounds) -> None:
        self._index, self._queries, self._rounding = index, queries, rounding

    def nearest(self, rows: Positions, count: int) -> tuple[Bounds, Positions]:
        squared, positions = self._index.search(self._queries[rows], count)
        return squared.max(axis=1) - self._rounding[rows], positions


def rounding_bound(lengths: Bounds, terms: int) -> Bounds:
    """Return more than float32 is wrong by in a squared distance, given the sum of both vectors' lengths.

    Rounding errors of a sum of D terms add up like a random walk: sqrt(D) units in the last place of (|q| + |x|)^2.
    Four times that was more than 50 times the largest error seen (D = 4096).
    """
    bound: Bounds = 2 * np.sqrt(terms) * np.finfo(np.float32).eps * lengths**2
    return bound


def set_search_threads(threads: int) -> None:
    """Bound FAISS's threads in this process."""
    faiss.omp_set_num_threads(threads)
