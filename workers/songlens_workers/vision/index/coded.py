"""Candidates by products of codes: far fewer bytes to read than the vectors, and a proof of what they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.codes import ACROSS, HALF_SQUARE, LENGTH, ROUNDED, SCALE, Codes
from songlens_workers.vision.index.floats import rounding_bound
from songlens_workers.vision.index.products import products
from songlens_workers.vision.index.protocol import Bounds, Positions, Proposal

if TYPE_CHECKING:
    import torch

_BLOCK_SCORES = 32 << 20
_MOST_QUERIES = 256


class CodedCandidates:
    """`Candidates` with the least lower bounds of their distance. Safe from several threads."""

    def __init__(self, codes: Codes) -> None:
        import torch

        self._codes = codes
        self.queries_at_once = max(1, min(_MOST_QUERIES, _BLOCK_SCORES // max(1, len(codes))))
        terms = codes.terms
        self._half_squares = torch.from_numpy(terms[HALF_SQUARE])
        self._scales = torch.from_numpy(terms[SCALE])
        self._left_out = torch.from_numpy(terms[[ROUNDED, ACROSS, LENGTH]])  # (3, N)
        self._longest = float(np.sqrt(2 * terms[HALF_SQUARE].max(initial=0.0)))

    def propose(self, queries: Features) -> Proposal:
        """Return the proposal for float32 (Q, D)."""
        import torch

        numbers, terms = self._codes.coding.encode(queries)
        scores, share = products(self._codes.numbers, numbers)  # (Q, N)
        if self._codes.numbers.dtype == np.int8:
            scores *= torch.from_numpy(terms[SCALE])[:, None]
            scores *= self._scales
        weights = torch.from_numpy(np.ascontiguousarray(-terms[[LENGTH, ACROSS, ROUNDED]].T))  # (Q, 3)
        bounds = torch.addmm(self._half_squares, weights, self._left_out)  # (Q, N)
        bounds -= scores
        if share:
            bounds -= scores.abs_().mul_(share)
        halves = terms[HALF_SQUARE].astype(np.float64)
        # Twice what a plain expansion needs: the mean and the axes round as well.
        rounding = 2 * rounding_bound(np.sqrt(2 * halves) + self._longest, queries.shape[1])
        return _Bounded(bounds, halves, rounding)


class _Bounded:
    """Lower bounds of half the squared distances, less half the square of the query itself."""

    def __init__(self, bounds: torch.Tensor, halves: Bounds, rounding: Bounds) -> None:
        self._bounds, self._halves, self._rounding = bounds, halves, rounding

    def nearest(self, rows: Positions, count: int) -> tuple[Bounds, Positions]:
        import torch

        bounds = self._bounds if len(rows) == len(self._bounds) else self._bounds[torch.from_numpy(rows)]
        least, chosen = torch.topk(bounds, count, dim=1, largest=False, sorted=False)
        farthest = least.amax(dim=1).numpy().astype(np.float64) + self._halves[rows]
        return 2 * farthest - self._rounding[rows], chosen.numpy()
