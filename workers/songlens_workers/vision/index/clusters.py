"""Candidates from the clusters nearest to a query (FAISS's IVF, 8-bit codes): a search reads a part of all."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from songlens_shared.errors import ModelDamaged
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.protocol import Bounds, Positions, Proposal

_QUERIES_AT_ONCE = 4096


class ClusterCandidates:
    """`Candidates` of an `IndexIVFScalarQuantizer`. They prove nothing: how good they are was measured at the build."""

    queries_at_once = _QUERIES_AT_ONCE

    def __init__(self, index: faiss.IndexIVFScalarQuantizer) -> None:
        self.index = index

    @classmethod
    def open(cls, path: Path) -> ClusterCandidates:
        """Map a file. Raises `ModelDamaged` when it is missing, damaged or another kind of index."""
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except (RuntimeError, MemoryError) as error:
            raise ModelDamaged(f"{path} is missing or damaged; publish the model version again.") from error
        if not isinstance(index, faiss.IndexIVFScalarQuantizer):
            raise ModelDamaged(f"{path} is a {type(index).__name__}, not of clusters; build the model again.")
        return cls(index)

    def __len__(self) -> int:
        """The number of vectors."""
        return int(self.index.ntotal)

    def propose(self, queries: Features) -> Proposal:
        """Return the proposal for float32 (N, D)."""
        return _Searched(self.index, queries)


class _Searched:
    def __init__(self, index: faiss.IndexIVFScalarQuantizer, queries: Features) -> None:
        self._index, self._queries = index, queries

    def nearest(self, rows: Positions, count: int) -> tuple[Bounds, Positions]:
        queries = self._queries[rows]
        _, positions = self._index.search(queries, count)
        short = positions[:, -1] < 0  # the clusters looked at hold fewer
        if short.any():
            everywhere = faiss.SearchParametersIVF()
            everywhere.nprobe = int(self._index.nlist)
            positions[short] = self._index.search(queries[short], count, params=everywhere)[1]
        return np.full(len(rows), np.inf), positions
