"""Graphs from columns of names.

Ten million edges as Python strings take a minute and gigabytes; as two columns of numbers, and each vertex once, they
take seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from songlens_training.graph.graph import Graph, Vertex, check_graph

if TYPE_CHECKING:
    import pyarrow as pa

ASCII_WHITE_SPACE = r"[\t\n\v\f\r ]"


class Ends(NamedTuple):
    """One end of every edge."""

    codes: NDArray[np.int32]
    """(E,) positions in `vertices`."""
    vertices: list[Vertex]
    """Each once."""


def graph_of_columns(sources: Ends, targets: Ends, weights: NDArray[np.float32]) -> Graph:
    """Return the graph of edges in columns, its vertices numbered in order of appearance, as line by line.

    Raises `DataError` for an empty graph, a loop or a bad weight.
    """
    index: dict[Vertex, int] = {}
    numbers = [
        np.fromiter((index.setdefault(vertex, len(index)) for vertex in ends.vertices), np.int32, len(ends.vertices))
        for ends in (sources, targets)
    ]
    columns = [column[ends.codes] for column, ends in zip(numbers, (sources, targets), strict=True)]
    order = _first_seen(columns[0], columns[1], len(index))
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    given = list(index)
    graph = Graph(
        vertices=[given[number] for number in order.tolist()],
        sources=rank[columns[0]],
        targets=rank[columns[1]],
        weights=weights,
    )
    check_graph(graph)
    return graph


def _first_seen(sources: NDArray[np.int32], targets: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the vertices in the order in which they are first seen, row by row, the source before the target."""
    first = np.full(count, np.iinfo(np.int64).max)
    rows = np.arange(len(sources), dtype=np.int64)[::-1]
    for column, ends in enumerate((sources, targets)):
        seen = np.full(count, np.iinfo(np.int64).max)
        seen[ends[::-1]] = 2 * rows + column  # of several writes the last stays, and that is the first row
        np.minimum(first, seen, out=first)
    return first.argsort()


def coded(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """Return a column of strings without nulls as positions (E,) in a list of its values, each once."""
    chunks = column.dictionary_encode().chunks  # that share one dictionary, complete in each
    if not chunks:
        return np.empty(0, np.int32), []
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks])
    return codes.astype(np.int32, copy=False), chunks[-1].dictionary.to_pylist()


def text_columns(path: Path, vertex_of: Callable[[str], Vertex]) -> tuple[Ends, Ends, NDArray[np.float32]] | None:
    """Return the columns of an edge list in which single spaces or single tabs separate names and weight.

    None for a list that is anything else, or that could be: whoever reads line by line knows, and can say which line
    is wrong.
    """
    import pyarrow as pa
    from pyarrow import compute, csv

    delimiter = _delimiter(path)
    if delimiter is None:
        return None
    names, types = ["source", "target", "weight"], [pa.string(), pa.string(), pa.float64()]
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names, block_size=1 << 24),
            csv.ParseOptions(delimiter=delimiter, quote_char=False),
            csv.ConvertOptions(column_types=dict(zip(names, types, strict=True)), null_values=[]),
        )
    except pa.ArrowException:
        return None
    weights = table.column("weight").to_numpy().astype(np.float32)
    if not len(weights) or not (np.isfinite(weights) & (weights > 0)).all():
        return None
    ends = []
    for name in names[:2]:
        codes, values = coded(table.column(name))
        odd = compute.match_substring_regex(pa.array(values, pa.string()), rf"^$|{ASCII_WHITE_SPACE}")
        if compute.any(odd).as_py():
            return None
        ends.append(Ends(codes, [vertex_of(value) for value in values]))
    return ends[0], ends[1], weights


def _delimiter(path: Path) -> str | None:
    """Return what separates columns, by the first line that is not blank."""
    with path.open("rb") as file:
        line = next((line.strip() for line in file if line.strip()), b"")
    tabs, spaces = line.count(b"\t"), line.count(b" ")
    return {(2, 0): "\t", (0, 2): " "}.get((tabs, spaces))
