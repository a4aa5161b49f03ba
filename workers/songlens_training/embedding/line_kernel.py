"""The inner loop of LINE, compiled.

Every function that the loop calls is in this file, because numba's cache on disk looks at this file alone
to see whether the code has changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.alias import AliasTables
from songlens_training.jit import compiled

MAX_SCORE = np.float32(30.0)
"""s(30) is 1 in float32; beyond 88, exp would overflow."""
FLOATS_PER_CACHE_LINE = 16
BLOCK_SAMPLES = 16
"""So many are drawn, then trained on. The loss is taken of one in each block, for logarithms are slow."""


class EdgeTables(NamedTuple):
    """What edges are drawn from: a source vertex, then one of its neighbours."""

    sources: AliasTables
    """One row over the V vertices."""
    targets: AliasTables
    """A row for each vertex over its neighbours."""
    neighbours: NDArray[np.int32]
    """(2E,) the neighbour of each slot of `targets`."""


class NoiseTables(NamedTuple):
    """What negatives are drawn from: vertices in classes, each class with its own distribution."""

    tables: AliasTables
    """A row for each class."""
    vertices: NDArray[np.int32]
    """(V,) the vertex of each slot of `tables`."""
    classes: NDArray[np.int8]
    """(V,) the class of each vertex; a target's negatives come from the target's class."""


class Parameters(NamedTuple):
    """What is learned."""

    vectors: NDArray[np.float32]
    """(V, D)"""
    contexts: NDArray[np.float32]
    """(V, D)"""


class Lesson(NamedTuple):
    """What one thread is to do in one round."""

    samples: int
    negatives: int
    first_rate: float
    """Learning rate of the first sample; falls linearly."""
    last_rate: float
    walk_steps: int
    """0: edges alone."""
    regularisation: float
    first_order: bool
    """Vectors and contexts are one array, and no vertex is a negative of itself."""


@compiled
def _random(state: NDArray[np.uint64]) -> Any:
    """Return 64 random bits and advance `state` (2,): Vigna's xorshift128+ (arXiv 1404.0390)."""
    x, y = state[0], state[1]
    result = x + y
    x ^= x << np.uint64(23)
    state[0] = y
    state[1] = x ^ y ^ (x >> np.uint64(18)) ^ (y >> np.uint64(5))
    return result


@compiled
def _draw(state: NDArray[np.uint64], tables: AliasTables, row: Any) -> Any:
    """Return an outcome of one row's alias table: the upper bits choose the slot, the lower are the coin."""
    low, high = tables.starts[row], tables.starts[row + 1]
    bits = _random(state)
    slot = np.int64(((bits >> np.uint64(32)) * np.uint64(high - low)) >> np.uint64(32))
    coin = np.float32((bits >> np.uint64(8)) & np.uint64(0xFFFFFF)) * np.float32(2.0**-24)
    if coin < tables.keep[low + slot]:
        return slot
    return np.int64(tables.other[low + slot])


class Block(NamedTuple):
    """Samples drawn together: so the cache misses of their table look-ups overlap."""

    sources: NDArray[np.int32]
    """(B,)"""
    vertices: NDArray[np.int32]
    """(B, 1 + negatives) the target, then its negatives."""


@compiled
def _neighbour(state: NDArray[np.uint64], edges: EdgeTables, vertex: Any) -> Any:
    """Return a neighbour of `vertex`, which has one."""
    return edges.neighbours[edges.targets.starts[vertex] + _draw(state, edges.targets, vertex)]


@compiled
def draw_edges(state: NDArray[np.uint64], edges: EdgeTables, block: Block) -> None:
    """Fill the sources and targets of `block` with edges."""
    for row in range(len(block.sources)):
        block.sources[row] = _draw(state, edges.sources, 0)
    for row in range(len(block.sources)):
        block.vertices[row, 0] = _neighbour(state, edges, block.sources[row])


@compiled
def draw_walks(state: NDArray[np.uint64], edges: EdgeTables, block: Block, steps: int) -> None:
    """Fill the sources and targets of `block`, a multiple of `steps + 1` rows, with walks.

    A walk of vertices v, c1, c2, ... gives the samples v -> c1, v -> c2, ..., and last c1 -> v.
    """
    for first in range(0, len(block.sources), steps + 1):
        source = _draw(state, edges.sources, 0)
        reached = source
        for row in range(first, first + steps):
            reached = _neighbour(state, edges, reached)
            block.sources[row] = source
            block.vertices[row, 0] = reached
        block.sources[first + steps] = block.vertices[first, 0]
        block.vertices[first + steps, 0] = source


@compiled
def draw_negatives(state: NDArray[np.uint64], noise: NoiseTables, block: Block) -> None:
    """Fill the negatives of `block`, each drawn from the class of its row's target."""
    for row in range(len(block.sources)):
        kind = noise.classes[block.vertices[row, 0]]
        first = noise.tables.starts[kind]
        for column in range(1, block.vertices.shape[1]):
            block.vertices[row, column] = noise.vertices[first + _draw(state, noise.tables, kind)]


class _Scratch(NamedTuple):
    """Room for one step, made once for all of them."""

    vector: NDArray[np.float32]
    """(D,) the source's vector before the step."""
    moved: NDArray[np.float32]
    """(D,) and after it."""
    chances: NDArray[np.float32]
    """(1 + negatives,) s(v.c) of the target and of each negative."""


@compiled
def _fetch_rows(vectors: NDArray[np.float32], sources: NDArray[np.int32]) -> Any:
    """Read one number of each cache line of the sources' vectors, all of them at once, before the steps that
    would wait for them one after another. Returns their sum, which must be used lest the compiler drop it.
    """
    total = np.float32(0.0)
    for row in range(len(sources)):
        for d in range(0, vectors.shape[1], FLOATS_PER_CACHE_LINE):
            total += vectors[sources[row], d]
    return total


@compiled
def _is_negative(block: Block, row: Any, column: Any, first_order: bool) -> Any:
    """Whether what was drawn can be one: the target is no negative of itself, nor of first order is the source."""
    vertex = block.vertices[row, column]
    return vertex != block.vertices[row, 0] and not (first_order and vertex == block.sources[row])


@compiled
def _descend(
    parameters: Parameters, block: Block, size: int, rate: Any, decay: Any, first_order: bool, scratch: _Scratch
) -> None:
    """Take the steps of the first `size` rows of a block; `scratch.chances` is left as of the last.

    The source's vector is copied first, or the compiler would have to suppose that a context is the same
    memory. All scores of a step are taken before any context moves. A context shrinks by `decay` of itself, the
    vector once for each context it is held against.
    """
    vectors, contexts = parameters.vectors, parameters.contexts
    vector, moved, chances = scratch.vector, scratch.moved, scratch.chances
    dimensions = vectors.shape[1]
    kept = np.float32(1.0) - decay
    vector_kept = np.float32(1.0) - decay * np.float32(len(chances))
    for row in range(size):
        source = block.sources[row]
        for d in range(dimensions):
            vector[d] = vectors[source, d]
            moved[d] = vector_kept * vector[d]
        for column in range(len(chances)):
            vertex = block.vertices[row, column]
            score = np.float32(0.0)
            for d in range(dimensions):
                score += vector[d] * contexts[vertex, d]
            chances[column] = min(max(score, -MAX_SCORE), MAX_SCORE)
        for column in range(len(chances)):
            chances[column] = np.float32(1.0) / (np.float32(1.0) + np.exp(-chances[column]))
        for column in range(len(chances)):
            vertex = block.vertices[row, column]
            if column > 0 and not _is_negative(block, row, column, first_order):
                continue
            label = np.float32(1.0) if column == 0 else np.float32(0.0)
            gradient = rate * (label - chances[column])
            for d in range(dimensions):
                context = contexts[vertex, d]
                moved[d] += gradient * context
                contexts[vertex, d] = kept * context + gradient * vector[d]
        for d in range(dimensions):
            vectors[source, d] = moved[d]


@compiled
def _loss(block: Block, row: int, first_order: bool, scratch: _Scratch) -> Any:
    """Return -log s(v.c) - sum log s(-v.n) of the step just taken."""
    tiny = np.float32(1e-7)
    loss = -np.log(scratch.chances[0] + tiny)
    for column in range(1, len(scratch.chances)):
        if _is_negative(block, row, column, first_order):
            loss -= np.log(np.float32(1.0) - scratch.chances[column] + tiny)
    return loss


@compiled
def train_samples(
    parameters: Parameters, edges: EdgeTables, noise: NoiseTables, lesson: Lesson, state: NDArray[np.uint64]
) -> tuple[float, int]:
    """Take steps of stochastic gradient descent on `parameters`, in place.

    A step draws an edge, source -> target, and negatives from the target's noise class, and ascends
    log s(v.c) + sum log s(-v.n), LINE equation 7. Other threads may write the same arrays meanwhile.
    Returns the sum of the loss over the steps it was taken of, and their number.
    """
    dimensions, width = parameters.vectors.shape[1], 1 + lesson.negatives
    scratch = _Scratch(np.empty(dimensions, np.float32), np.empty(dimensions, np.float32), np.empty(width, np.float32))
    walk = lesson.walk_steps + 1
    rows = max(BLOCK_SAMPLES // walk, 1) * walk
    block = Block(np.empty(rows, np.int32), np.empty((rows, width), np.int32))
    loss, measured, fetched = 0.0, 0, np.float32(0.0)
    for done in range(0, lesson.samples, rows):
        size = min(rows, lesson.samples - done)
        share = done / lesson.samples
        rate = np.float32(lesson.first_rate + (lesson.last_rate - lesson.first_rate) * share)
        if lesson.walk_steps > 0:
            draw_walks(state, edges, block, lesson.walk_steps)
        else:
            draw_edges(state, edges, block)
        draw_negatives(state, noise, block)
        fetched += _fetch_rows(parameters.vectors, block.sources)
        decay = rate * np.float32(lesson.regularisation)
        _descend(parameters, block, size, rate, decay, lesson.first_order, scratch)
        loss += _loss(block, size - 1, lesson.first_order, scratch)
        measured += 1
    scratch.moved[0] = fetched
    return loss, measured
