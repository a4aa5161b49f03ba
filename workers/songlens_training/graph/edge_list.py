"""The text form of a graph, as SMORe and LINE read it: `vertex vertex weight` a line.

An edge is undirected, whichever of its ends comes first. A list may hold an edge several times, as LINE's lists of
undirected graphs do with both directions of each: the lines are kept, and count like one of their summed weight.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path

from songlens_shared.errors import DataError
from songlens_training.graph.columns import NotInColumns, read_columns
from songlens_training.graph.graph import Graph, Vertex, VertexType, graph_of_arrays
from songlens_training.graph.names import PREFIXES, foreign_parser, parse_vertex, vertex_name

LARGE_BYTES = 1 << 24
"""From this size on a list is read in columns."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def write_edge_list(graph: Graph, path: Path) -> None:
    """Write `vertex vertex weight` lines, vertices as `type:key`, weights with float32's nine digits."""
    names = [vertex_name(vertex) for vertex in graph.vertices]
    with path.open("w", encoding="utf-8") as file:
        for a, b, weight in zip(graph.sources.tolist(), graph.targets.tolist(), graph.weights.tolist(), strict=True):
            file.write(f"{names[a]} {names[b]} {weight:.9g}\n")


def read_edge_list(path: Path) -> Graph:
    """Read an edge list whose vertices are named `type:key`, as `write_edge_list` writes it.

    Raises `DataError` with the line number for a line of another form, a loop or a bad weight.
    """
    return _read(path, parse_vertex)


def read_foreign_edge_list(path: Path, types: Mapping[str, VertexType] = PREFIXES) -> Graph:
    """Read an edge list made elsewhere: a vertex's key is its whole name.

    `types` tells the type of a vertex by the beginning of its name; one that begins with none of them is `UNTYPED`.
    Raises `DataError` with the line number for a line of another form, a loop or a bad weight.
    """
    return _read(path, foreign_parser(types))


def _read(path: Path, vertex_of: Callable[[str], Vertex]) -> Graph:
    """Read a large list in columns, and line by line one that is small, of another form, or wrong in some line."""
    try:
        if path.stat().st_size >= LARGE_BYTES:
            return read_columns(path, vertex_of)
    except (NotInColumns, DataError):
        pass
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _read_lines(path, vertex_of)


def _read_lines(path: Path, vertex_of: Callable[[str], Vertex]) -> Graph:
    """Read line by line, in bytes, since only ASCII white space separates columns. A name is decoded once."""
    index: dict[bytes, int] = {}
    vertices: list[Vertex] = []
    sources, targets, weights = array("i"), array("i"), array("f")

    def number_of(name: bytes) -> int:
        index[name] = len(vertices)
        vertices.append(vertex_of(name.decode()))
        return len(vertices) - 1

    try:
        with path.open("rb") as file:
            for line_number, line in enumerate(file, 1):
                parts = (line.removeprefix(_BYTE_ORDER_MARK) if line_number == 1 else line).split()
                if not parts:
                    continue
                try:
                    source, target, weight = parts[0], parts[1], float(parts[2])
                    if len(parts) != 3 or source == target or not 0 < weight < math.inf:
                        raise DataError(f"{path}, line {line_number}: {_fault(parts)}.")
                    sources.append(index[source] if source in index else number_of(source))
                    targets.append(index[target] if target in index else number_of(target))
                except (ValueError, IndexError):
                    raise DataError(f"{path}, line {line_number}: {_fault(parts)}.") from None
                weights.append(weight)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not vertices:
        raise DataError(f"{path} holds no edge.")
    return graph_of_arrays(vertices, sources, targets, weights)


def _fault(parts: list[bytes]) -> str:
    """Return what is wrong with a line that was refused."""
    try:
        source, target, weight = (part.decode() for part in parts)
    except UnicodeDecodeError:
        return "the line is not UTF-8 text"
    except ValueError:
        return "expected `vertex vertex weight`"
    if source == target:
        return f"both ends are {source}"
    return f"the weight {weight} is not a number > 0"
