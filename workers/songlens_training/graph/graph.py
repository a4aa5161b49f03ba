"""The heterogeneous graph of keywords, songs, images and users: typed vertices, weighted edges, flat arrays.

Its text form is the edge list of SMORe and LINE, `vertex vertex weight` a line, where a vertex is named
`type:key` with spaces and percent signs of the key percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError


class VertexType(IntEnum):
    """What a vertex stands for."""

    KEYWORD = 0
    SONG = 1
    IMAGE = 2
    USER = 3

    @property
    def prefix(self) -> str:
        """What its names in files begin with."""
        return f"{self.name.lower()}:"


PREFIXES: Mapping[str, VertexType] = {kind.prefix: kind for kind in VertexType}


class Vertex(NamedTuple):
    """A vertex: its type and its key (word, song id, image id, user id), unique within the type."""

    type: VertexType
    key: str


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph of V vertices and E weighted edges; each edge is stored once."""

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

    def degrees(self) -> NDArray[np.float64]:
        """(V,) the weighted degree of each vertex: the sum of the weights of its edges."""
        ends = np.concatenate([self.sources, self.targets])
        weights = np.concatenate([self.weights, self.weights])
        return np.bincount(ends, weights, len(self.vertices)).astype(np.float64, copy=False)


class Adjacency(NamedTuple):
    """The neighbours of every vertex in CSR form, each edge in both directions.

    Vertex v has `neighbours[starts[v]:starts[v + 1]]`.
    """

    starts: NDArray[np.int64]
    """(V + 1,)"""
    neighbours: NDArray[np.int32]
    """(2E,)"""
    weights: NDArray[np.float32]
    """(2E,)"""


@dataclass(frozen=True, kw_only=True)
class GraphStatistics:
    """Small figures about a graph."""

    vertices: Mapping[str, int]
    """Number of vertices by type name."""
    edges: int
    total_weight: float
    isolated: int
    """Vertices without an edge."""
    median_edges: Mapping[str, float]
    """Median number of edges of a vertex, by type name."""


def build_graph(
    keyword_weights: Mapping[VertexType, Mapping[str, Mapping[str, float]]],
) -> Graph:
    """Return the graph whose songs and images hang on keywords.

    `keyword_weights[type][key][word]` is the relevance (> 0) of the keyword to the song or image. A song or
    image without keywords gets no vertex. Raises `DataError` for an empty graph or a bad weight.
    """
    words = {word for rows in keyword_weights.values() for bag in rows.values() for word in bag}
    index = {Vertex(VertexType.KEYWORD, word): number for number, word in enumerate(sorted(words))}
    edges = [
        (Vertex(kind, key), Vertex(VertexType.KEYWORD, word), weight)
        for kind, rows in keyword_weights.items()
        for key, bag in rows.items()
        for word, weight in bag.items()
    ]
    return _from_edges(edges, index)


def _from_edges(edges: Sequence[tuple[Vertex, Vertex, float]], index: dict[Vertex, int]) -> Graph:
    """Number the vertices in order of appearance, after those that `index` holds already."""
    sources = np.fromiter((index.setdefault(a, len(index)) for a, _, _ in edges), np.int32, len(edges))
    targets = np.fromiter((index.setdefault(b, len(index)) for _, b, _ in edges), np.int32, len(edges))
    weights = np.fromiter((weight for _, _, weight in edges), np.float32, len(edges))
    graph = Graph(vertices=tuple(index), sources=sources, targets=targets, weights=weights)
    check_graph(graph)
    return graph


def check_graph(graph: Graph) -> None:
    """Raise `DataError` unless the graph can be trained on; the message names the first bad edge."""
    if not len(graph.weights):
        raise DataError("The graph has no edge: no song or image bears a keyword.")
    if not len(graph.sources) == len(graph.targets) == len(graph.weights):
        raise DataError("The arrays of the graph's edges differ in length.")
    ends = np.concatenate([graph.sources, graph.targets])
    if ends.min() < 0 or ends.max() >= len(graph.vertices):
        raise DataError("An edge of the graph ends at a vertex that does not exist.")
    bad = ~(np.isfinite(graph.weights) & (graph.weights > 0))
    _refuse_edge(graph, bad, "a weight that is not a number > 0")
    _refuse_edge(graph, graph.sources == graph.targets, "both ends at one vertex")


def _refuse_edge(graph: Graph, bad: NDArray[np.bool_], fault: str) -> None:
    if not bad.any():
        return
    edge = int(np.argmax(bad))
    a, b = graph.vertices[graph.sources[edge]], graph.vertices[graph.targets[edge]]
    weight = graph.weights[edge]
    raise DataError(f"The edge {vertex_name(a)} - {vertex_name(b)} (weight {weight}) has {fault}.")


def adjacency(graph: Graph) -> Adjacency:
    """Return the CSR form. Takes O(V + E) time and 24 bytes a stored edge."""
    count = len(graph.vertices)
    ends = np.concatenate([graph.sources, graph.targets])
    order = np.argsort(ends, kind="stable")
    starts = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(ends, minlength=count), out=starts[1:])
    neighbours = np.concatenate([graph.targets, graph.sources])[order]
    weights = np.concatenate([graph.weights, graph.weights])[order]
    return Adjacency(starts=starts, neighbours=neighbours, weights=weights)


def graph_statistics(graph: Graph) -> GraphStatistics:
    """Return small figures about the graph."""
    count = len(graph.vertices)
    edges = np.bincount(graph.sources, minlength=count) + np.bincount(graph.targets, minlength=count)
    types = graph.vertex_types
    present = [kind for kind in VertexType if (types == kind).any()]
    return GraphStatistics(
        vertices={kind.name.lower(): int((types == kind).sum()) for kind in present},
        edges=len(graph.weights),
        total_weight=float(graph.weights.sum(dtype=np.float64)),
        isolated=int((edges == 0).sum()),
        median_edges={kind.name.lower(): float(np.median(edges[types == kind])) for kind in present},
    )


def vertex_name(vertex: Vertex) -> str:
    """Return the name of a vertex in files: no white space in it, so that columns stay apart."""
    key = re.sub(r"[%\s]", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), vertex.key)
    return vertex.type.prefix + key


def parse_vertex(name: str, prefixes: Mapping[str, VertexType] = PREFIXES) -> Vertex:
    """Return the vertex of a name. Raises `DataError` when it begins with none of `prefixes`."""
    for prefix, kind in prefixes.items():
        if name.startswith(prefix):
            return Vertex(kind, unquote(name[len(prefix) :]))
    raise DataError(f"The vertex {name!r} begins with none of: {', '.join(prefixes)}.")


def write_edge_list(graph: Graph, path: Path) -> None:
    """Write `vertex vertex weight` lines, weights with float32's nine digits."""
    names = [vertex_name(vertex) for vertex in graph.vertices]
    with path.open("w", encoding="utf-8") as file:
        for a, b, weight in zip(graph.sources.tolist(), graph.targets.tolist(), graph.weights.tolist(), strict=True):
            file.write(f"{names[a]} {names[b]} {weight:.9g}\n")


def read_edge_list(path: Path, prefixes: Mapping[str, VertexType] = PREFIXES) -> Graph:
    """Read `vertex vertex weight` lines, separated by spaces or tabs; blank lines are skipped.

    `prefixes` tells the type of a vertex by the beginning of its name. Raises `DataError` with the line
    number for a line of another form.
    """
    with path.open(encoding="utf-8") as file:
        return _from_edges(list(_parsed_edges(file, path, prefixes)), {})


def _parsed_edges(
    lines: Iterable[str], path: Path, prefixes: Mapping[str, VertexType]
) -> Iterable[tuple[Vertex, Vertex, float]]:
    known: dict[str, Vertex] = {}
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        try:
            a, b, weight = parts
            for name in (a, b):
                if name not in known:
                    known[name] = parse_vertex(name, prefixes)
            yield known[a], known[b], float(weight)
        except ValueError:
            raise DataError(f"{path}, line {number}: expected `vertex vertex weight`.") from None
