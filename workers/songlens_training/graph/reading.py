"""Graphs from any of the places they are kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from songlens_training.graph.edge_list import read_foreign_edge_list
from songlens_training.graph.graph import Graph, Vertex, VertexType
from songlens_training.graph.names import foreign_name, vertex_name
from songlens_training.graph.tables import has_type_columns, read_edge_table, read_model_graph


class NamedGraph(NamedTuple):
    """A graph, and what its vertices are called where it came from."""

    graph: Graph
    name: Callable[[Vertex], str]


def read_graph(path: Path, types: Mapping[str, VertexType]) -> NamedGraph:
    """Read the folder of a model version, a Parquet table of edges, or else an edge list.

    `types` tells the types of vertices by the beginnings of their names, where nothing else does. Raises `DataError`.
    """
    if path.is_dir():
        return NamedGraph(read_model_graph(path), vertex_name)
    if path.suffix == ".parquet":
        name = vertex_name if has_type_columns(path) else foreign_name
        return NamedGraph(read_edge_table(path, types), name)
    return NamedGraph(read_foreign_edge_list(path, types), foreign_name)
