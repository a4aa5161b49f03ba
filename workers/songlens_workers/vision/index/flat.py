"""Exact nearest neighbours among float32 vectors; the file is FAISS's own, of an `IndexFlatL2`, for any program."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import numpy as np

from songlens_shared.errors import ModelDamaged, ModelError
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.floats import MAX_PRODUCT_QUERIES, FloatCandidates
from songlens_workers.vision.index.gpu import SearchOptions, on_gpus
from songlens_workers.vision.index.protocol import checked_vectors
from songlens_workers.vision.index.ranking import RankedIndex
from songlens_workers.vision.index.rows import Rows, read_index


class FlatImageIndex(RankedIndex):
    """An `ImageIndex` over FAISS's `IndexFlatL2`, searched on the CPU unless it is put on GPUs."""

    def __init__(self, index: faiss.IndexFlatL2, *, max_product_queries: int = MAX_PRODUCT_QUERIES) -> None:
        """Wrap a FAISS index; `max_product_queries` as in `FloatCandidates`."""
        self._index = index
        self._max_product_queries = max_product_queries
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
        index.ntotal = count
        fill(Rows(index).vectors)
        filled = cls(index)
        if not filled._finite():
            raise ValueError("vectors must be finite; some values are infinite or not a number")
        return filled

    @classmethod
    def load(cls, path: Path) -> FlatImageIndex:
        """Read what `save` wrote.

        Into memory of its own: in FAISS's file the vectors begin at an odd byte, which NumPy would copy at each search.
        Raises `ModelDamaged` when the file is missing, damaged or another kind of index.
        """
        loaded = cls(_read(path))
        if not loaded._finite():
            raise ModelDamaged(f"The image index {path} holds vectors that are not finite; build the model again.")
        return loaded

    @classmethod
    def extended(cls, path: Path, count: int, fill: Callable[[Features], None]) -> FlatImageIndex:
        """Return what `save` wrote with `count` more vectors, which `fill` writes, float32 (N, D), at the end.

        The file is read straight into the new index, so that this takes that one's own size in memory and no more.
        Raises `ModelDamaged` as `load` does, and `ValueError` for values that are not finite.
        """
        mapped = Rows(_read(path, faiss.IO_FLAG_MMAP_IFC))
        old = mapped.vectors  # reading these would keep the whole file in memory beside the index

        def fill_all(rows: Features) -> None:
            with path.open("rb") as file:
                file.seek(-old.nbytes, os.SEEK_END)  # the vectors are the last that FAISS writes
                file.readinto(rows[: len(old)].data.cast("B"))
            if not (rows[0] == old[0]).all():
                raise ModelDamaged(f"The image index {path} is not laid out as FAISS does it; build the model again.")
            fill(rows[len(old) :])

        return cls.filled(len(mapped) + count, mapped.dimensions, fill_all)

    def add(self, vectors: Features) -> None:
        """Append float32 (N, D); their positions follow on. Raises `ValueError` for another D or values not finite."""
        self._index.add(checked_vectors(vectors, self.dimensions, "vectors"))
        self._refresh()

    def to_gpus(self, gpus: Sequence[int], options: SearchOptions) -> RankedIndex:
        """Return this index, as it is now, with candidates proposed by GPUs; itself where there is nothing to propose.

        Raises `ConfigError` as `on_gpus` does.
        """
        if not gpus or not len(self):
            return self
        rows = Rows(self._index)
        return RankedIndex(rows, on_gpus(rows, gpus, self._floats, options))

    def save(self, path: Path) -> None:
        """Write the index in FAISS's file format. Raises `ModelError` when the file cannot be written."""
        try:
            faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise ModelError(
                f"The image index cannot be written to {path}; is there room, and may we write?"
            ) from error

    @property
    def vectors(self) -> Features:
        """float32 (N, D), the index's own memory."""
        return self._rows.vectors

    def _refresh(self) -> None:
        """Take a new view of FAISS's own memory, which moves when vectors are added."""
        rows = Rows(self._index)
        self._floats = FloatCandidates(rows, max_product_queries=self._max_product_queries)
        super().__init__(rows, self._floats)

    def _finite(self) -> bool:
        return bool(np.isfinite(self._floats.squared_norms).all())


def _read(path: Path, flags: int = 0) -> faiss.IndexFlatL2:
    index = read_index(path, flags)
    if not isinstance(index, faiss.IndexFlatL2):
        raise ModelDamaged(
            f"The image index {path} is a {type(index).__name__}, not an IndexFlatL2; build the model again."
        )
    return index
