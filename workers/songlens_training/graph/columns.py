"""Edge lists read in columns.

Ten million lines as Python strings take a minute; as numbers, of which Python sees each name once a block, they take
seconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from songlens_training.graph.graph import Graph, Vertex, graph_of_arrays

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 1 << 20
"""Small, on one thread, and from the system's memory, which gives back what is not used: training comes next."""
_ODD_NAME = r"^$|[\t\n\v\f\r ]"
"""A name that is empty or holds white space: the list is not in columns after all."""


class NotInColumns(Exception):
    """A list is not in columns that single spaces or single tabs separate, or a number in it is none."""


def read_columns(path: Path, vertex_of: Callable[[str], Vertex]) -> Graph:
    """Read `vertex vertex weight` lines, vertices numbered in order of appearance, the source before the target.

    Raises `NotInColumns` for a list that is anything else, or that could be: whoever reads line by line knows, and can
    say which line is wrong; `DataError` for a loop or a bad weight.
    """
    import pyarrow as pa
    from pyarrow import csv

    names, types = ["source", "target", "weight"], [pa.string(), pa.string(), pa.float64()]
    edges = _Edges()
    try:
        with csv.open_csv(
            path,
            csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES, use_threads=False),
            csv.ParseOptions(delimiter=_delimiter(path), quote_char=False),
            csv.ConvertOptions(column_types=dict(zip(names, types, strict=True)), null_values=[]),
            memory_pool=pa.system_memory_pool(),
        ) as blocks:
            for block in blocks:
                edges.add(block)
    except pa.ArrowException as error:
        raise NotInColumns from error
    finally:
        pa.default_memory_pool().release_unused()
    return graph_of_arrays([vertex_of(name) for name in edges.index], edges.sources, edges.targets, edges.weights)


def _delimiter(path: Path) -> str:
    """Return what separates columns, by the first line that is not blank."""
    with path.open("rb") as file:
        line = next((line.strip() for line in file if line.strip()), b"")
    delimiter = {(2, 0): "\t", (0, 2): " "}.get((line.count(b"\t"), line.count(b" ")))
    if delimiter is None:
        raise NotInColumns
    return delimiter


class _Edges:
    """Edges that come in blocks, in arrays that grow."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        """Names, in order of appearance."""
        self.sources, self.targets, self.weights = array("i"), array("i"), array("f")

    def add(self, block: pa.RecordBatch) -> None:
        weights = block.column("weight").to_numpy().astype(np.float32)
        if not (np.isfinite(weights) & (weights > 0)).all():
            raise NotInColumns
        source_codes, source_names = _coded(block.column("source"))
        target_codes, target_names = _coded(block.column("target"))
        target_codes += len(source_names)
        names = source_names + target_names
        numbers = np.empty(len(names), np.int32)
        for code in _by_appearance(source_codes, target_codes, len(names)).tolist():
            numbers[code] = self.index.setdefault(names[code], len(self.index))
        self.sources.frombytes(numbers[source_codes].tobytes())
        self.targets.frombytes(numbers[target_codes].tobytes())
        self.weights.frombytes(weights.tobytes())


def _coded(column: pa.StringArray) -> tuple[NDArray[np.int32], list[str]]:
    """Return a column as positions in a list of its names, each once."""
    import pyarrow as pa
    from pyarrow import compute

    encoded = compute.dictionary_encode(column, memory_pool=pa.system_memory_pool())
    if compute.any(compute.match_substring_regex(encoded.dictionary, _ODD_NAME)).as_py():
        raise NotInColumns
    return encoded.indices.to_numpy().astype(np.int32), encoded.dictionary.to_pylist()


def _by_appearance(sources: NDArray[np.int32], targets: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the numbers below `count` in the order in which edges show them, row by row."""
    first = np.empty(count, np.int64)
    rows = np.arange(len(sources), dtype=np.int64)[::-1]
    for column, ends in enumerate((sources, targets)):
        first[ends[::-1]] = 2 * rows + column  # of several writes the last stays, and that is the first row
    return first.argsort()
