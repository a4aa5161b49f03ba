"""The heterogeneous graph of keywords, songs, images and users: typed vertices, weighted edges, flat arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError


class VertexType(IntEnum):
    """What a vertex stands for."""

    KEYWORD = 0
    SONG = 1
    IMAGE = 2
    USER = 3
    UNTYPED = 4
    """Of a foreign graph, whose names say nothing of types."""

    @property
    def prefix(self) -> str:
        """What its names in files begin with."""
        return f"{self.name.lower()}:"


class Vertex(NamedTuple):
    """A vertex: its type and its key (word, song id, image id, user id), unique within the type."""

    type: VertexType
    key: str


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph of V vertices and E weighted edges.

    Each edge is stored once, in either direction. Two vertices may have several edges between them; they count
    like one edge of their summed weight.
    """

    vertices: Sequence[Vertex]
    sources: NDArray[np.int32]
    """(E,) one end of each edge."""
    targets: NDArray[np.int32]
    """(E,) the other end."""
    weights: NDArray[np.float32]
    """(E,) finite and > 0."""

    @property
    def vertex_types(self) -> NDArray[np.int8]:
        """(V,) the type of each vertex."""
        return np.fromiter((vertex.type for vertex in self.vertices), np.int8, len(self.vertices))

    def edge_counts(self) -> NDArray[np.int64]:
        """(V,) the number of edges of each vertex."""
        count = len(self.vertices)
        return np.bincount(self.sources, minlength=count) + np.bincount(self.targets, minlength=count)

    def degrees(self) -> NDArray[np.float64]:
        """(V,) the weighted degree of each vertex: the sum of the weights of its edges."""
        count = len(self.vertices)
        degrees: NDArray[np.float64] = np.bincount(self.sources, self.weights, count).astype(np.float64, copy=False)
        degrees += np.bincount(self.targets, self.weights, count)
        return degrees


def build_graph(
    keyword_weights: Mapping[VertexType, Mapping[str, Mapping[str, float]]],
) -> Graph:
    """Return the graph whose songs and images hang on keywords.

    `keyword_weights[type][key][word]` is the relevance (> 0) of the keyword to the song or image. A song or
    image without keywords gets no vertex. Raises `DataError` for an empty graph or a bad weight.
    """
    words = {word for rows in keyword_weights.values() for bag in rows.values() for word in bag}
    return graph_of(
        (
            (Vertex(kind, key), Vertex(VertexType.KEYWORD, word), weight)
            for kind, rows in keyword_weights.items()
            for key, bag in rows.items()
            for word, weight in bag.items()
        ),
        first=[Vertex(VertexType.KEYWORD, word) for word in sorted(words)],
    )


def graph_of(edges: Iterable[tuple[Vertex, Vertex, float]], *, first: Iterable[Vertex] = ()) -> Graph:
    """Return the graph of `edges`, its vertices numbered in order of appearance after those of `first`.

    Raises `DataError` for an empty graph, a loop or a bad weight.
    """
    index = {vertex: number for number, vertex in enumerate(first)}
    sources, targets, weights = array("i"), array("i"), array("f")
    for source, target, weight in edges:
        sources.append(index.setdefault(source, len(index)))
        targets.append(index.setdefault(target, len(index)))
        weights.append(weight)
    return graph_of_arrays(tuple(index), sources, targets, weights)


def graph_of_arrays(
    vertices: Sequence[Vertex], sources: array[int], targets: array[int], weights: array[float]
) -> Graph:
    """Return the graph whose edges are in growing arrays of 4-byte numbers, without copying them.

    Raises `DataError` for an empty graph, a loop or a bad weight.
    """
    graph = Graph(
        vertices=vertices,
        sources=np.frombuffer(sources, np.int32),
        targets=np.frombuffer(targets, np.int32),
        weights=np.frombuffer(weights, np.float32),
    )
    check_graph(graph)
    return graph


def check_graph(graph: Graph) -> None:
    """Raise `DataError` unless the graph can be trained on; the message names the first bad edge."""
    if not len(graph.weights):
        raise DataError("The graph has no edge: no song or image bears a keyword.")
    if not len(graph.sources) == len(graph.targets) == len(graph.weights):
        raise DataError("The arrays of the graph's edges differ in length.")
    for ends in (graph.sources, graph.targets):
        if ends.min() < 0 or ends.max() >= len(graph.vertices):
            raise DataError("An edge of the graph ends at a vertex that does not exist.")
    bad = ~(np.isfinite(graph.weights) & (graph.weights > 0))
    _refuse_edge(graph, bad, "a weight that is not a number > 0")
    _refuse_edge(graph, graph.sources == graph.targets, "both ends at one vertex")


def _refuse_edge(graph: Graph, bad: NDArray[np.bool_], fault: str) -> None:
    if not bad.any():
        return
    edge = int(np.argmax(bad))
    a, b = (graph.vertices[ends[edge]] for ends in (graph.sources, graph.targets))
    named = " - ".join(f"{vertex.type.prefix}{vertex.key}" for vertex in (a, b))
    raise DataError(f"The edge {named} (weight {graph.weights[edge]}) has {fault}.")
