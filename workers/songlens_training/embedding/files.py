"""An embedding of any graph as files that share a prefix, each there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from songlens_shared.errors import DataError
from songlens_training.embedding.vectors import Embedding, word2vec_lines
from songlens_training.graph.graph import Vertex
from songlens_training.progress import Progress
from songlens_training.whole_file import whole_file

_ROWS = 5000


def write_files(embedding: Embedding, prefix: Path, name: Callable[[Vertex], str], progress: Progress) -> list[Path]:
    """Write PREFIX.npy, PREFIX.contexts.npy, PREFIX.vertices.txt and PREFIX.txt, word2vec text; return their paths.

    `name` is how vertices are called there, in the order of the rows. Raises `DataError` when a file cannot be written;
    those that were written before it are whole.
    """
    arrays = {".npy": embedding.vectors, ".contexts.npy": embedding.contexts}
    paths = [prefix.with_name(prefix.name + ending) for ending in (*arrays, ".vertices.txt", ".txt")]
    try:
        for path, array in zip(paths, arrays.values(), strict=False):
            with whole_file(path) as file:
                np.save(file, array)
        with whole_file(paths[2]) as file:
            file.writelines(f"{name(vertex)}\n".encode() for vertex in embedding.vertices)
        with whole_file(paths[3]) as file:
            for row, line in enumerate(word2vec_lines(embedding, name)):
                file.write(line.encode())
                if row % _ROWS == 0 or row == len(embedding.vertices):
                    progress("Writing vectors", row, len(embedding.vertices))
    except OSError as error:
        raise DataError(f"{error.filename or prefix} cannot be written: {error.strerror or error}.") from error
    return paths
