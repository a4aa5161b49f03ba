"""Exact nearest neighbours among the catalogue's image vectors, by Euclidean distance.

Positions are row numbers: position i is the i-th vector that was added, and row i of the model version's images table.
The file is FAISS's own, of an `IndexFlatL2`, so that any FAISS program can read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt

from songlens_shared.errors import ModelDamaged, ModelError
from songlens_workers.vision.backbone import Features

Distances = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

# More candidates than asked for are taken by approximate distance and ranked by exact distance.
_SPARE_CANDIDATES = 16
_WIDENING = 4

# For few queries one matrix product with top-k is up to four times as fast as FAISS (33,459 x 4096, two CPU cores);
# for more, the scores (queries x vectors) would take too much memory, and FAISS works in blocks.
_MAX_PRODUCT_QUERIES = 64
_MAX_GPU_K = 2048
_GATHER_BYTES = 64 << 20


class ImageIndex(Protocol):
    """An exact index of vectors with D dimensions."""

    @property
    def dimensions(self) -> int:
        """D."""

    def __len__(self) -> int:
        """The number of vectors."""

    def add(self, vectors: Features) -> None:
        """Append float32 (N, D); their positions follow on. Raises `ValueError` for another D or values not finite."""

    def search(self, queries: Features, k: int) -> tuple[Distances, Positions]:
        """Return the k nearest vectors of each query, nearest first, the lower position first among equals.

        `queries` is float32 (N, D). Returns Euclidean (not squared) distances, float32 (N, K), and positions,
        int64 (N, K), where K = min(k, the number of vectors).
        Raises `ValueError` for another D, values that are not finite, or k < 1.
        """

    def save(self, path: Path) -> None:
        """Write the index in FAISS's file format. Raises `ModelError` when the file cannot be written."""


class FlatImageIndex:
    """An `ImageIndex` over FAISS's `IndexFlatL2`, searched on the GPU where FAISS finds one.

    Exact although it is fast: expanding |q - x|^2 to |q|^2 - 2 q.x + |x|^2 cancels badly for near-duplicates, so the
    expansion only picks candidates. Their distances are then computed from the differences, and the candidates are
    widened until the rounding error of the expansion cannot have kept a nearer vector out.

    Searching is safe from several threads on a CPU; a GPU index wants one thread at a time.
    """

    def __init__(
        self, index: faiss.IndexFlatL2, *, gpu: bool = True, max_product_queries: int = _MAX_PRODUCT_QUERIES
    ) -> None:
        """Wrap a FAISS index.

        `gpu` takes the GPUs that FAISS finds. Without one, up to `max_product_queries` queries at once are searched
        by a matrix product, and more by FAISS.
        """
        self._index = index
        self._gpu = gpu
        self._max_product_queries = max_product_queries
        self._gpu_index: Any = None
        self._vectors: Features = np.empty((0, index.d), np.float32)
        self._squared_norms: Distances = np.empty(0, np.float32)
        self._refresh()

    @classmethod
    def build(cls, vectors: Features) -> FlatImageIndex:
        """Return an index of float32 (N, D). Raises `ValueError` unless it is a finite matrix with D of 1 or more."""
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or vectors.shape[1] < 1:
            raise ValueError(f"vectors must be (N, D); got {vectors.shape}")
        index = cls(faiss.IndexFlatL2(vectors.shape[1]))
        index.add(vectors)
        return index

    @classmethod
    def filled(cls, count: int, dimensions: int, fill: Callable[[Features], None]) -> FlatImageIndex:
        """Return an index of `count` vectors that `fill` writes, float32 (N, D), straight into the index's own memory.

        So an index takes its own size in memory and no more. Raises `ValueError` for values that are not finite.
        """
        index = faiss.IndexFlatL2(dimensions)
        index.codes.resize(count * dimensions * np.dtype(np.float32).itemsize)
        fill(_rows(index, count))
        index.ntotal = count
        filled = cls(index)
        if not np.isfinite(filled._squared_norms).all():
            raise ValueError("vectors must be finite; some values are infinite or not a number")
        return filled

    @classmethod
    def load(cls, path: Path) -> FlatImageIndex:
        """Read what `save` wrote. Raises `ModelDamaged` when the file is missing, damaged or another kind of index."""
        loaded = cls(_read(path))
        if not np.isfinite(loaded._squared_norms).all():
            raise ModelDamaged(f"The image index {path} holds vectors that are not finite; build the model again.")
        return loaded

    @classmethod
    def extended(cls, path: Path, count: int, fill: Callable[[Features], None]) -> FlatImageIndex:
        """Return what `save` wrote with `count` more vectors, which `fill` writes, float32 (N, D), at the end.

        The file is read straight into the new index, so that this takes that one's own size in memory and no more.
        Raises `ModelDamaged` as `load` does, and `ValueError` for values that are not finite.
        """
        mapped = _read(path, faiss.IO_FLAG_MMAP_IFC)
        old = _rows(mapped, mapped.ntotal)  # reading these would keep the whole file in memory beside the index

        def fill_all(rows: Features) -> None:
            with path.open("rb") as file:
                file.seek(-old.nbytes, os.SEEK_END)  # the vectors are the last that FAISS writes
                file.readinto(rows[: len(old)].data.cast("B"))
            if not (rows[0] == old[0]).all():
                raise ModelDamaged(f"The image index {path} is not laid out as FAISS does it; build the model again.")
            fill(rows[len(old) :])

        return cls.filled(len(old) + count, mapped.d, fill_all)

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self._index.d)

    def __len__(self) -> int:
        """The number of vectors."""
        return int(self._index.ntotal)

    def add(self, vectors: Features) -> None:
        """Append float32 (N, D); their positions follow on. Raises `ValueError` for another D or values not finite."""
        self._index.add(self._checked(vectors, "vectors"))
        self._refresh()

    def search(self, queries: Features, k: int) -> tuple[Distances, Positions]:
        """Return Euclidean distances, float32 (N, K), and positions, int64 (N, K), as `ImageIndex.search` says."""
        queries = self._checked(queries, "queries")
        if k < 1:
            raise ValueError(f"k must be 1 or more; got {k}")
        k = min(k, len(self))
        distances = np.empty((len(queries), k), np.float32)
        positions = np.empty((len(queries), k), np.int64)
        unsettled = np.arange(len(queries) if k else 0)
        candidates = k
        while unsettled.size:
            candidates = min(len(self), candidates * _WIDENING + _SPARE_CANDIDATES)
            distances[unsettled], positions[unsettled], settled = self._ranked(queries[unsettled], k, candidates)
            unsettled = unsettled[~settled]
        return distances, positions

    def save(self, path: Path) -> None:
        """Write the index in FAISS's file format. Raises `ModelError` when the file cannot be written."""
        try:
            faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise ModelError(
                f"The image index cannot be written to {path}; is there room, and may we write?"
            ) from error

    def _refresh(self) -> None:
        """Take a new view of FAISS's own memory, which moves when vectors are added."""
        self._vectors = _rows(self._index, len(self))
        self._squared_norms = np.einsum("nd,nd->n", self._vectors, self._vectors)
        if self._gpu and faiss.get_num_gpus() > 0:
            self._gpu_index = faiss.index_cpu_to_all_gpus(self._index)

    def _checked(self, vectors: Features, what: str) -> Features:
        matrix = np.ascontiguousarray(vectors, dtype=np.float32)
        if matrix.ndim != 2 or matrix.shape[1] != self.dimensions:
            raise ValueError(f"{what} must be (N, {self.dimensions}); got {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise ValueError(f"{what} must be finite; some values are infinite or not a number")
        return matrix

    def _ranked(self, queries: Features, k: int, count: int) -> tuple[Distances, Positions, npt.NDArray[np.bool_]]:
        """Return distances and positions (N, k) among `count` candidates, and which rows are final, (N,)."""
        approximate, candidates = self._candidates(queries, count)  # (N, C)
        candidates.sort(axis=1)  # so that the stable sort below puts lower positions first among equals
        exact = self._squared_distances(queries, candidates)  # (N, C)
        nearest = np.argsort(exact, axis=1, kind="stable")[:, :k]
        squared = np.take_along_axis(exact, nearest, axis=1)
        outside_at_least = approximate.max(axis=1) - self._rounding_bound(queries)
        settled = (outside_at_least > squared[:, -1]) | (count == len(self))
        return np.sqrt(squared), np.take_along_axis(candidates, nearest, axis=1), settled

    def _candidates(self, queries: Features, count: int) -> tuple[Distances, Positions]:
        """Return the `count` nearest by approximate squared distance, (N, C) each, in any order."""
        if self._gpu_index is not None and count <= _MAX_GPU_K:
            squared, positions = self._gpu_index.search(queries, count)
            return squared, positions
        if len(queries) > self._max_product_queries:
            squared, positions = self._index.search(queries, count)
            return squared, positions
        scores = (self._vectors @ queries.T).T  # (N, n); this order is the faster one for few queries
        scores = self._squared_norms - 2 * scores
        chosen = np.argpartition(scores, count - 1, axis=1)[:, :count].astype(np.int64)
        query_norms = np.einsum("nd,nd->n", queries, queries)[:, None]
        return np.take_along_axis(scores, chosen, axis=1) + query_norms, chosen

    def _squared_distances(self, queries: Features, candidates: Positions) -> npt.NDArray[np.float64]:
        """Return float64 (N, C), from the differences of queries (N, D) and candidates (N, C), in bounded memory."""
        squared = np.empty(candidates.shape, np.float64)
        step = max(1, _GATHER_BYTES // (4 * self.dimensions))
        for row, query in enumerate(queries):
            for start in range(0, candidates.shape[1], step):
                difference = self._vectors[candidates[row, start : start + step]] - query  # (step, D)
                squared[row, start : start + step] = np.einsum("cd,cd->c", difference, difference)
        return squared

    def _rounding_bound(self, queries: Features) -> npt.NDArray[np.float64]:
        """Return (N,), more than float32 can be wrong by in |q|^2 - 2 q.x + |x|^2.

        Rounding errors of a sum of D terms add up like a random walk: sqrt(D) units in the last place of (|q| + |x|)^2.
        Four times that was more than 50 times the largest error seen (D = 4096).
        """
        longest = np.sqrt(self._squared_norms.max(initial=0.0), dtype=np.float64)
        scale = (np.linalg.norm(queries, axis=1).astype(np.float64) + longest) ** 2
        bound: npt.NDArray[np.float64] = 2 * np.sqrt(self.dimensions) * np.finfo(np.float32).eps * scale
        return bound


def _read(path: Path, flags: int = 0) -> faiss.IndexFlatL2:
    """Read an index of the one kind that we use. Raises `ModelDamaged`."""
    try:
        index = faiss.read_index(str(path), flags)
    except (RuntimeError, MemoryError) as error:
        raise ModelDamaged(f"The image index {path} is missing or damaged; publish the model version again.") from error
    if not isinstance(index, faiss.IndexFlatL2):
        raise ModelDamaged(
            f"The image index {path} is a {type(index).__name__}, not an IndexFlatL2; build the model again."
        )
    return index


def _rows(index: faiss.IndexFlatL2, count: int) -> Features:
    """Return the first `count` vectors where FAISS holds them, (N, D); valid as long as the index and its size are."""
    rows: Features = faiss.rev_swig_ptr(index.get_xb(), count * index.d).reshape(count, index.d)
    return rows


def set_search_threads(threads: int) -> None:
    """Bound FAISS's threads in this process."""
    faiss.omp_set_num_threads(threads)
