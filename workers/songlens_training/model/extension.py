"""Files of a model version with rows added at their end, streamed from the base version, which stays as it is."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.vectors import vector_lines
from songlens_training.graph.graph import Vertex

if TYPE_CHECKING:
    import pyarrow as pa

Vectors = NDArray[np.float32]

_PIECE_ROWS = 1 << 14


def copy_files(base: Path, folder: Path, names: Collection[str]) -> None:
    """Copy files as they are. Raises `OSError`."""
    for name in names:
        shutil.copyfile(base / name, folder / name)


def extend_vectors(base: Path, path: Path, rows: Vectors) -> None:
    """Write the float32 .npy file `base` (N, D) with `rows` (n, D) after it. Raises `OSError`."""
    old: Vectors = np.load(base, mmap_mode="r", allow_pickle=False)
    shape = (len(old) + len(rows), old.shape[1])
    with path.open("wb") as file:
        header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(old), _PIECE_ROWS):
            file.write(old[start : start + _PIECE_ROWS].tobytes())
        file.write(rows.astype("<f4").tobytes())


def extend_word2vec(base: Path, path: Path, vertices: Sequence[Vertex], vectors: Vectors) -> None:
    """Write word2vec's text form with more vertices at its end, their number in its first line. Raises `OSError`."""
    with base.open("rb") as old, path.open("wb") as file:
        count, dimensions = map(int, old.readline().split())
        file.write(f"{count + len(vertices)} {dimensions}\n".encode())
        shutil.copyfileobj(old, file, 1 << 20)
        file.writelines(line.encode() for line in vector_lines(vertices, vectors))


def extend_table(base: Path, path: Path, rows: pa.Table) -> None:
    """Write a Parquet file with more rows of the same schema at its end, row group by row group. Raises `OSError`."""
    from pyarrow import parquet

    with parquet.ParquetFile(base) as old, parquet.ParquetWriter(path, old.schema_arrow) as writer:
        for group in range(old.num_row_groups):
            writer.write_table(old.read_row_group(group))
        writer.write_table(rows.cast(old.schema_arrow))
