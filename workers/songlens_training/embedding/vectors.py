"""The result of network embedding: a vector for each vertex, and word2vec's text form of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError
from songlens_training.graph.graph import Vertex, VertexType
from songlens_training.graph.names import parse_vertex, vertex_name


@dataclass(frozen=True, eq=False)
class Embedding:
    """The vectors of V vertices in D dimensions."""

    vertices: Sequence[Vertex]
    vectors: NDArray[np.float32]
    """(V, D) what retrieval compares by Euclidean distance."""
    contexts: NDArray[np.float32]
    """(V, D) LINE's context vectors: what a vertex is as a neighbour. New vertices are folded in against them."""

    def of_type(self, kind: VertexType) -> tuple[list[str], NDArray[np.float32]]:
        """Return the keys (n) and vectors (n, D) of one type of vertex, in the graph's order."""
        rows = [row for row, vertex in enumerate(self.vertices) if vertex.type is kind]
        return [self.vertices[row].key for row in rows], self.vectors[rows]


def write_word2vec(embedding: Embedding, path: Path, name: Callable[[Vertex], str] = vertex_name) -> None:
    """Write word2vec's text form: `V D`, then `vertex-name v1 ... vD` a line, as SMORe and gensim have it.

    `name` is how vertices are called there.
    """
    with path.open("w", encoding="utf-8") as file:
        file.writelines(word2vec_lines(embedding, name))


def word2vec_lines(embedding: Embedding, name: Callable[[Vertex], str]) -> Iterator[str]:
    """Yield the lines of word2vec's text form: the header, then one for each vertex."""
    count, dimensions = embedding.vectors.shape
    yield f"{count} {dimensions}\n"
    yield from vector_lines(embedding.vertices, embedding.vectors, name)


def vector_lines(
    vertices: Sequence[Vertex], vectors: NDArray[np.float32], name: Callable[[Vertex], str] = vertex_name
) -> Iterator[str]:
    """Yield the lines of some vertices and their `vectors` (V, D)."""
    for vertex, vector in zip(vertices, vectors, strict=True):
        numbers = " ".join(f"{number:.9g}" for number in vector.tolist())
        yield f"{name(vertex)} {numbers}\n"


def read_word2vec(path: Path) -> tuple[list[Vertex], NDArray[np.float32]]:
    """Read word2vec's text form: the vertices and their vectors (V, D).

    Raises `DataError` with the line number when a line does not fit the header.
    """
    with path.open(encoding="utf-8") as file:
        try:
            count, dimensions = map(int, file.readline().split())
        except ValueError:
            raise DataError(f"{path}, line 1: expected the number of vectors and of dimensions.") from None
        vertices: list[Vertex] = []
        vectors = np.empty((count, dimensions), dtype=np.float32)
        for number, line in enumerate(file, 2):
            name, *numbers = line.split()
            if len(numbers) != dimensions or len(vertices) == count:
                raise DataError(f"{path}, line {number}: expected a name and {dimensions} numbers.")
            vectors[len(vertices)] = np.array(numbers, dtype=np.float32)
            vertices.append(parse_vertex(name))
    if len(vertices) != count:
        raise DataError(f"{path} ends after {len(vertices)} of {count} vectors.")
    return vertices, vectors
