"""What vertices are called in files, where names are columns of text and must hold no white space."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from songlens_shared.errors import DataError
from songlens_training.graph.graph import Vertex, VertexType

PREFIXES: Mapping[str, VertexType] = {kind.prefix: kind for kind in VertexType}


def vertex_name(vertex: Vertex) -> str:
    """Return `type:key`, with white space and percent signs of the key percent-encoded."""
    return vertex.type.prefix + _encoded(vertex.key, r"[%\s]")


def parse_vertex(name: str) -> Vertex:
    """Return the vertex of a name as `vertex_name` writes it. Raises `DataError` when it begins with no type."""
    for prefix, kind in PREFIXES.items():
        if name.startswith(prefix):
            return Vertex(kind, unquote(name[len(prefix) :]))
    raise DataError(f"The vertex {name!r} begins with none of: {', '.join(PREFIXES)}.")


def foreign_parser(types: Mapping[str, VertexType]) -> Callable[[str], Vertex]:
    """Return what makes a vertex of a name that was given elsewhere: its key is the whole name.

    Its type is that of the longest prefix in `types` that it begins with, else `UNTYPED`.
    """
    longest_first = sorted(types.items(), key=lambda item: -len(item[0]))

    def parse(name: str) -> Vertex:
        for prefix, kind in longest_first:
            if name.startswith(prefix):
                return Vertex(kind, name)
        return Vertex(VertexType.UNTYPED, name)

    return parse


def foreign_name(vertex: Vertex) -> str:
    """Return the key alone, as it was read; white space that a table's key may hold is percent-encoded."""
    return _encoded(vertex.key, r"\s")


def _encoded(key: str, pattern: str) -> str:
    return re.sub(pattern, lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), key)
