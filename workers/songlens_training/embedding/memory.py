"""How much memory training takes, said before it starts.

Terms in E are bytes an edge, in V bytes a vertex; they follow the arrays that `graph/` and `embedding/` hold at once. A
test holds the whole against the memory that a process really takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from songlens_shared.errors import ConfigError
from songlens_training.embedding.options import EmbeddingOptions

_EDGE_BYTES = 12
"""Source, target and weight."""
_VERTEX_BYTES = 200
"""A vertex, its key and its place in a list: Python objects, and keys vary. Reading takes as much again for a while."""
_NEIGHBOUR_BYTES = 16
"""Of an edge: neighbour and weight, in both directions."""
_TABLE_BYTES = 16
"""Of an edge: what an alias table keeps and its other outcome, in both directions."""
_TABLE_WORK_BYTES = 20
"""Of an edge, while tables are made: weights in float64 and a mark for each, in both directions."""
_VERTEX_TABLE_BYTES = 64
"""Of a vertex: degrees, where its neighbours begin, its slots in the tables of sources and of negatives."""
_DEVICE_EDGE_BYTES = 24
"""Of an edge, on a GPU: neighbour, share to keep and other outcome, in both directions."""
_DEVICE_WORK_BYTES = 2_000_000_000
"""For one batch and what torch itself takes."""
_FLOAT_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """What training one graph takes, in bytes."""

    graph: int
    """The graph itself, which is there before training starts."""
    tables: int
    """Neighbours and alias tables."""
    table_work: int
    """Beside the tables while they are made, and given back before there are vectors."""
    vectors: int
    """Vectors and contexts; of first order, vectors and the copy of them that is scaled."""
    on_gpu: int
    """On a GPU, where one trains. Everything else is needed beside it."""
    checkpoint: int
    """On the disk, and as much again while a new one takes the place of the one before. None of it in memory."""

    @property
    def training(self) -> int:
        """What training takes beside the graph at its peak."""
        return self.tables + max(self.table_work, self.vectors)


def memory_need(vertices: int, edges: int, options: EmbeddingOptions) -> MemoryNeed:
    """Return what training a graph of so many vertices and edges takes."""
    one_set = vertices * options.dimensions * _FLOAT_BYTES
    learned = one_set * options.order
    return MemoryNeed(
        graph=edges * _EDGE_BYTES + vertices * _VERTEX_BYTES,
        tables=edges * (_NEIGHBOUR_BYTES + _TABLE_BYTES) + vertices * _VERTEX_TABLE_BYTES,
        table_work=edges * _TABLE_WORK_BYTES,
        vectors=2 * one_set,
        on_gpu=edges * _DEVICE_EDGE_BYTES + vertices * _VERTEX_TABLE_BYTES + learned + _DEVICE_WORK_BYTES,
        checkpoint=learned,
    )


def check_memory(need: MemoryNeed, free: int | None, free_on_gpu: int | None = None) -> None:
    """Raise `ConfigError` when training takes more than the bytes that are free; None where nobody can tell."""
    for bytes_needed, bytes_free, place in ((need.training, free, "memory"), (need.on_gpu, free_on_gpu, "GPU memory")):
        if bytes_free is not None and bytes_needed > bytes_free:
            raise ConfigError(
                f"Training takes {bytes_needed / 1e9:.2f} GB more {place}, but {bytes_free / 1e9:.2f} GB are free. "
                f"{need.vectors / 1e9:.2f} GB of it are vectors and contexts, which fewer dimensions make smaller."
            )
