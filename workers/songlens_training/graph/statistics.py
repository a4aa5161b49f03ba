"""What a graph looks like: sizes, edges of a vertex, connected components, vertices that hang loose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from songlens_training.graph.graph import Graph, VertexType
from songlens_training.jit import compiled


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How a number varies over vertices."""

    min: float
    median: float
    mean: float
    max: float


@dataclass(frozen=True, kw_only=True)
class GraphStatistics:
    """Small figures about a graph."""

    vertices: Mapping[str, int]
    """Number of vertices by type name."""
    edges: int
    total_weight: float
    edges_of_a_vertex: Mapping[str, Spread]
    """By type name."""
    degree: Mapping[str, Spread]
    """Sum of the weights of a vertex's edges, by type name."""
    components: int
    """Connected components; an isolated vertex is one of them."""
    largest_component: int
    """Vertices of the largest."""
    isolated: int
    """Vertices without an edge."""
    without_keyword: Mapping[str, int]
    """Songs and images that no edge joins to a keyword, by type name; only where there are keywords at all."""


def graph_statistics(graph: Graph) -> GraphStatistics:
    """Return small figures about the graph, in O(V + E) time."""
    counts, degrees, types = graph.edge_counts(), graph.degrees(), graph.vertex_types
    present = [kind for kind in VertexType if (types == kind).any()]
    sizes = component_sizes(graph)
    return GraphStatistics(
        vertices={_name(kind): int((types == kind).sum()) for kind in present},
        edges=len(graph.weights),
        total_weight=float(graph.weights.sum(dtype=np.float64)),
        edges_of_a_vertex={_name(kind): _spread(counts[types == kind]) for kind in present},
        degree={_name(kind): _spread(degrees[types == kind]) for kind in present},
        components=len(sizes),
        largest_component=int(sizes.max(initial=0)),
        isolated=int((counts == 0).sum()),
        without_keyword=_without_keyword(graph, types) if VertexType.KEYWORD in present else {},
    )


def _name(kind: VertexType) -> str:
    return kind.name.lower()


def _spread(values: NDArray[np.int64] | NDArray[np.float64]) -> Spread:
    return Spread(
        min=float(values.min()), median=float(np.median(values)), mean=float(values.mean()), max=float(values.max())
    )


def _without_keyword(graph: Graph, types: NDArray[np.int8]) -> dict[str, int]:
    joined = np.zeros(len(types), dtype=np.bool_)
    for ends, others in ((graph.sources, graph.targets), (graph.targets, graph.sources)):
        joined[ends[types[others] == VertexType.KEYWORD]] = True
    found = {kind: int(((types == kind) & ~joined).sum()) for kind in (VertexType.SONG, VertexType.IMAGE)}
    return {_name(kind): count for kind, count in found.items() if (types == kind).any()}


def component_sizes(graph: Graph) -> NDArray[np.int64]:
    """Return the number of vertices of each connected component, in no particular order."""
    parents = np.arange(len(graph.vertices), dtype=np.int32)
    _unite(graph.sources, graph.targets, parents)
    sizes = np.bincount(parents)
    return sizes[sizes > 0]


@compiled
def _unite(sources: NDArray[np.int32], targets: NDArray[np.int32], parents: NDArray[np.int32]) -> None:
    """Set `parents` (V,), each vertex its own at first, to one vertex for each component: union-find.

    Tarjan and van Leeuwen, "Worst-case analysis of set union algorithms" (JACM 1984): linking by index,
    path halving.
    """
    for edge in range(len(sources)):
        a, b = _root(parents, sources[edge]), _root(parents, targets[edge])
        parents[max(a, b)] = min(a, b)
    for vertex in range(len(parents)):
        parents[vertex] = _root(parents, vertex)


@compiled
def _root(parents: NDArray[np.int32], vertex: int) -> int:
    while parents[vertex] != vertex:
        parents[vertex] = parents[parents[vertex]]
        vertex = parents[vertex]
    return vertex
