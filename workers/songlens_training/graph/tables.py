"""Graphs from Parquet: the tables of a model version, or a table of edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError
from songlens_training.graph.graph import Graph, Vertex, VertexType, check_graph, graph_of
from songlens_training.graph.names import PREFIXES, foreign_parser
from songlens_workers.models.manifest import IMAGES, SONGS

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE = 10_000
_TYPE_NAMES: Mapping[str, VertexType] = {kind.name.lower(): kind for kind in VertexType}


def read_model_graph(folder: Path) -> Graph:
    """Return the graph that a model version was trained on, from its songs and images tables.

    Raises `DataError` when a table is missing, damaged or of another form.
    """

    def edges() -> Iterator[tuple[Vertex, Vertex, float]]:
        for kind, name in ((VertexType.SONG, SONGS), (VertexType.IMAGE, IMAGES)):
            for row in _rows(folder / name):
                for item in row["keywords"]:
                    yield Vertex(kind, row["id"]), Vertex(VertexType.KEYWORD, item["keyword"]), item["weight"]

    return graph_of(edges())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_PAGE, columns=["id", "keywords"]):
                yield from batch.to_pylist()
    except (ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def read_edge_table(path: Path, types: Mapping[str, VertexType] = PREFIXES) -> Graph:
    """Return the graph of a Parquet table with the columns `source`, `target` and `weight`, a row for each edge.

    The columns `source_type` and `target_type` (keyword, song, image, user) tell the types of vertices; without
    them, the beginnings of names do, as `types` has it. Rows that repeat an edge count like one of their summed weight.
    Raises `DataError` for a table that is missing, damaged or of another form, a loop or a bad weight.
    """
    table = _edge_columns(path)
    sources, source_vertices = _column_vertices(table, "source", types, path)
    targets, target_vertices = _column_vertices(table, "target", types, path)
    index: dict[Vertex, int] = {}
    numbers = [
        np.fromiter((index.setdefault(vertex, len(index)) for vertex in vertices), np.int32, len(vertices))
        for vertices in (source_vertices, target_vertices)
    ]
    graph = Graph(
        vertices=tuple(index),
        sources=numbers[0][sources],
        targets=numbers[1][targets],
        weights=table.column("weight").combine_chunks().to_numpy(zero_copy_only=False),
    )
    check_graph(graph)
    return graph


def has_type_columns(path: Path) -> bool:
    """Return whether a table tells the types of its vertices in columns. Raises `DataError` where there is none."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return not {"source_type", "target_type"}.isdisjoint(parquet.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as an edge table: {error}.") from error


def _edge_columns(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        names = set(parquet.read_schema(path).names)
        columns = ["source", "target", *(name for name in ("source_type", "target_type") if name in names), "weight"]
        missing = [name for name in ("source", "target", "weight") if name not in names]
        if missing:
            raise DataError(f"{path} has no column {missing[0]!r}; an edge table has source, target and weight.")
        # Repeated names are read as numbers from the start: ten million edges are no ten million strings.
        texts = [name for name in columns if name != "weight"]
        table = parquet.read_table(path, columns=columns, read_dictionary=texts)
        schema = pa.schema([*((name, pa.dictionary(pa.int32(), pa.string())) for name in texts), ("weight", "float")])
        table = table.cast(schema)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as an edge table: {error}.") from error
    empty = next((name for name in columns if table.column(name).null_count), None)
    if empty is not None:
        raise DataError(f"{path} has rows without {empty}.")
    return table


def _column_vertices(
    table: pa.Table, name: str, types: Mapping[str, VertexType], path: Path
) -> tuple[NDArray[np.int64], list[Vertex]]:
    """Return a column as positions (E,) in a list of vertices."""
    keys = table.column(name).combine_chunks()
    names = keys.dictionary.to_pylist()
    if f"{name}_type" not in table.column_names:
        return _positions(keys), list(map(foreign_parser(types), names))
    kinds = table.column(f"{name}_type").combine_chunks()
    unknown = [kind for kind in kinds.dictionary.to_pylist() if kind not in _TYPE_NAMES]
    if unknown:
        raise DataError(f"{path} has the vertex type {unknown[0]!r}; known are {', '.join(_TYPE_NAMES)}.")
    kind_count = max(len(kinds.dictionary), 1)
    pairs, positions = np.unique(_positions(keys) * kind_count + _positions(kinds), return_inverse=True)
    types_of = [_TYPE_NAMES[kind] for kind in kinds.dictionary.to_pylist()]
    return positions, [Vertex(types_of[pair % kind_count], names[pair // kind_count]) for pair in pairs.tolist()]


def _positions(column: pa.DictionaryArray) -> NDArray[np.int64]:
    positions: NDArray[np.int64] = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return positions
