"""Image indexes of any size, written as fast as the disk takes their codes: what they cost to open, real ones cost."""

from __future__ import annotations

import shutil
from pathlib import Path

import faiss
import numpy as np

from songlens_benchmarks.features import like_features
from songlens_training.free_memory import free_memory_bytes
from songlens_training.model.image_index import new_codes
from songlens_workers.models.manifest import IMAGE_INDEX, IndexEntry
from songlens_workers.vision.index.codes import Coding
from songlens_workers.vision.index.kinds import IndexKind, files_of
from songlens_workers.vision.index.rows import float16_rows

_DISTINCT = 10_000
_NUMBER_BYTES = 3
"""float16 in the vectors, and 8 bits in the codes."""


def no_room(folder: Path, images: int, dimensions: int) -> str:
    """Say why an index of that size cannot be written here, or held in memory; nothing where it can."""
    size_bytes = _NUMBER_BYTES * images * dimensions
    rooms = {"disk": shutil.disk_usage(folder).free, "memory": free_memory_bytes()}
    short = [f"{free / 1e9:.1f} GB of {name}" for name, free in rooms.items() if free is not None and free < size_bytes]
    return f"It takes {size_bytes / 1e9:.1f} GB; here are {' and '.join(short)} free." if short else ""


def write_sq8(folder: Path, images: int, dimensions: int) -> IndexEntry:
    """Write an `sq8` index; return what a manifest says of it.

    Codes are those of some features, again and again. Vectors are all zero, as holes of a file: opening reads next to
    none of them, and many a disk would take minutes to write them.
    """
    folder.mkdir()
    _write_holes(float16_rows(images, dimensions).index, folder / IMAGE_INDEX)
    _write_codes(folder, images, dimensions)
    return IndexEntry(
        kind=str(IndexKind.SQ8),
        code_dimensions=dimensions,
        memory_bytes=images * dimensions,
        disk_bytes=sum((folder / name).stat().st_size for name in files_of(IndexKind.SQ8)),
        recall_at_5=0.0,
        why="made to be opened",
    )


def _write_holes(index: faiss.Index, path: Path) -> None:
    """Write an index in FAISS's file format, but for its zeros."""
    with path.open("wb", buffering=0) as file:

        def write(piece: bytes) -> int:
            if piece.count(0) < len(piece):
                return file.write(piece)
            file.truncate(file.seek(len(piece), 1))
            return len(piece)

        faiss.write_index(index, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]


def _write_codes(folder: Path, images: int, dimensions: int) -> None:
    some = like_features(min(images, _DISTINCT), dimensions)
    coding = Coding(np.dtype(np.int8), some.mean(axis=0))
    numbers, terms = new_codes(folder, coding, images)
    some_numbers, some_terms = coding.encode(some)
    for start in range(0, images, len(some)):
        count = min(len(some), images - start)
        numbers[start : start + count] = some_numbers[:count]
        terms[:, start : start + count] = some_terms[:, :count]
    coding.save(folder)
