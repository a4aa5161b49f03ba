"""Graphs from Parquet: the tables of a model version, or a table of edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from songlens_shared.errors import DataError
from songlens_training.graph.columns import Ends, coded, graph_of_columns
from songlens_training.graph.graph import Graph, Vertex, VertexType, graph_of
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
    sources, targets = (_ends(table, name, types, path) for name in ("source", "target"))
    return graph_of_columns(sources, targets, table.column("weight").to_numpy())


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
        schema = pa.schema([(name, pa.float32() if name == "weight" else pa.string()) for name in columns])
        table = parquet.read_table(path, columns=columns).cast(schema)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as an edge table: {error}.") from error
    empty = next((name for name in columns if table.column(name).null_count), None)
    if empty is not None:
        raise DataError(f"{path} has rows without {empty}.")
    return table


def _ends(table: pa.Table, name: str, types: Mapping[str, VertexType], path: Path) -> Ends:
    """Return the vertices of a column."""
    codes, keys = coded(table.column(name))
    if f"{name}_type" not in table.column_names:
        return Ends(codes, list(map(foreign_parser(types), keys)))
    type_codes, type_names = coded(table.column(f"{name}_type"))
    unknown = next((kind for kind in type_names if kind not in _TYPE_NAMES), None)
    if unknown is not None:
        raise DataError(f"{path} has the vertex type {unknown!r}; known are {', '.join(_TYPE_NAMES)}.")
    kinds = [_TYPE_NAMES[kind] for kind in type_names]
    pairs, positions = np.unique(codes.astype(np.int64) * len(kinds) + type_codes, return_inverse=True)
    vertices = [Vertex(kinds[pair % len(kinds)], keys[pair // len(kinds)]) for pair in pairs.tolist()]
    return Ends(positions.astype(np.int32), vertices)
