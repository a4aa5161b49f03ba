"""From candidates to the nearest: distances are measured, and candidates are added until no other can be nearer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.protocol import Bounds, Candidates, Distances, Positions, Proposal, checked_vectors
from songlens_workers.vision.index.rows import Rows

# More candidates than asked for are taken by approximate distance and ranked by exact distance.
_SPARE_CANDIDATES = 16
_WIDENING = 4


class RankedIndex:
    """An `ImageIndex` of rows and something that proposes candidates among them.

    Exact although it is fast: a proposal comes with a distance that no other vector is nearer than. Where the k-th
    nearest candidate is not nearer than that, there are more candidates, and more.
    """

    def __init__(self, rows: Rows, candidates: Candidates, *, most_candidates: int | None = None) -> None:
        """`most_candidates`: of one query, after which the nearest of them are the answer, proved or not."""
        self._rows = rows
        self._proposer = candidates
        self._most = most_candidates

    @property
    def dimensions(self) -> int:
        """D."""
        return self._rows.dimensions

    def __len__(self) -> int:
        """The number of vectors."""
        return len(self._rows)

    def search(self, queries: Features, k: int) -> tuple[Distances, Positions]:
        """Return Euclidean distances, float32 (N, K), and positions, int64 (N, K), as `ImageIndex.search` says."""
        queries = checked_vectors(queries, self.dimensions, "queries")
        if k < 1:
            raise ValueError(f"k must be 1 or more; got {k}")
        k = min(k, len(self))
        distances = np.empty((len(queries), k), np.float32)
        positions = np.empty((len(queries), k), np.int64)
        step = self._proposer.queries_at_once
        for start in range(0, len(queries) if k else 0, step):
            block = slice(start, start + step)
            distances[block], positions[block] = self._searched(queries[block], k)
        return distances, positions

    def _searched(self, queries: Features, k: int) -> tuple[Distances, Positions]:
        proposal = self._proposer.propose(queries)
        distances = np.empty((len(queries), k), np.float32)
        positions = np.empty((len(queries), k), np.int64)
        unsettled = np.arange(len(queries))
        count = k
        while unsettled.size:
            count = min(len(self), count * _WIDENING + _SPARE_CANDIDATES)
            settled = self._rank(proposal, queries, unsettled, count, distances, positions)
            if self._most is not None and count >= self._most:
                return distances, positions
            unsettled = unsettled[~settled]
        return distances, positions

    def _rank(
        self,
        proposal: Proposal,
        queries: Features,
        asked: Positions,
        count: int,
        distances: Distances,
        positions: Positions,
    ) -> npt.NDArray[np.bool_]:
        """Fill the asked rows of distances and positions (N, k); return which of these are final."""
        k = distances.shape[1]
        outside_at_least, candidates = proposal.nearest(asked, count)  # (R,), (R, C)
        candidates.sort(axis=1)  # so that the stable sort below puts lower positions first among equals
        exact: Bounds = self._rows.squared_distances(queries[asked], candidates)  # (R, C)
        nearest = np.argsort(exact, axis=1, kind="stable")[:, :k]
        squared = np.take_along_axis(exact, nearest, axis=1)
        distances[asked] = np.sqrt(squared)
        positions[asked] = np.take_along_axis(candidates, nearest, axis=1)
        settled: npt.NDArray[np.bool_] = (outside_at_least > squared[:, -1]) | (count == len(self))
        return settled
