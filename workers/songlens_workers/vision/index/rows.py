"""The vectors themselves, float32 or float16, as FAISS holds them: what distances are measured on.

A file of them is mapped, not read: workers on one machine share its pages, and only those that are looked at are ever
read. FAISS compares the sizes in the file with its length, so that a file cut short is refused before it is touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from songlens_shared.errors import ModelDamaged
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.protocol import Bounds, Positions

Vectors = npt.NDArray[np.floating[Any]]
"""float32 or float16."""

_GATHER_BYTES = 64 << 20


class Rows:
    """N vectors of an `IndexFlatL2`, or of an `IndexScalarQuantizer` of float16."""

    def __init__(self, index: Any) -> None:
        self.index = index
        self.vectors: Vectors = _view(index)
        """(N, D), valid as long as this object is."""

    @classmethod
    def open(cls, path: Path) -> Rows:
        """Map a file. Raises `ModelDamaged` when it is missing, damaged or another kind of index."""
        return cls(read_index(path, faiss.IO_FLAG_MMAP_IFC))

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.index.d)

    def __len__(self) -> int:
        """N."""
        return int(self.index.ntotal)

    def squared_distances(self, queries: Features, candidates: Positions) -> Bounds:
        """Return float64 (N, C), from the differences of queries (N, D) and candidates (N, C), in bounded memory."""
        squared = np.empty(candidates.shape, np.float64)
        step = max(1, _GATHER_BYTES // (4 * self.dimensions))
        for row, query in enumerate(queries):
            for start in range(0, candidates.shape[1], step):
                difference = self.vectors[candidates[row, start : start + step]] - query  # (step, D) float32
                squared[row, start : start + step] = np.einsum("cd,cd->c", difference, difference)
        return squared


def read_index(path: Path, flags: int = 0) -> Any:
    """Read an index of the two kinds that hold rows. Raises `ModelDamaged`."""
    try:
        index = faiss.read_index(str(path), flags)
    except (RuntimeError, MemoryError) as error:
        raise ModelDamaged(f"The image index {path} is missing or damaged; publish the model version again.") from error
    if not isinstance(index, faiss.IndexFlatL2) and not _is_float16(index):
        raise ModelDamaged(
            f"The image index {path} is a {type(index).__name__}, not an IndexFlatL2; build the model again."
        )
    return index


def float16_rows(count: int, dimensions: int) -> Rows:
    """Return room for float16 (N, D), in memory, to be filled."""
    index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2)
    index.codes.resize(count * dimensions * np.dtype(np.float16).itemsize)
    index.ntotal = count
    return Rows(index)


def _is_float16(index: Any) -> bool:
    return isinstance(index, faiss.IndexScalarQuantizer) and index.sq.qtype == faiss.ScalarQuantizer.QT_fp16


def _view(index: Any) -> Vectors:
    dtype = np.dtype(np.float16 if _is_float16(index) else np.float32)
    size = int(index.ntotal) * int(index.d) * dtype.itemsize
    if index.codes.size() < size:
        raise ModelDamaged("The image index holds fewer vectors than it says; publish the model version again.")
    held: npt.NDArray[np.uint8] = faiss.rev_swig_ptr(index.codes.data(), size)
    vectors: Vectors = held.view(dtype).reshape(int(index.ntotal), int(index.d))
    return vectors
