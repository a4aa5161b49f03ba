"""The inner loop of LINE, compiled.

Every function that the loop calls is in this file, because numba's cache on disk looks at this file alone
to see whether the code has changed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from songlens_training.alias import AliasTables
from songlens_training.jit import compiled

LOSS_STRIDE = 64
"""Every so many samples the loss is taken too; a logarithm a term would slow the loop for nothing."""


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


@compiled
def train_samples(
    parameters: Parameters, edges: EdgeTables, noise: NoiseTables, lesson: Lesson, state: NDArray[np.uint64]
) -> tuple[float, int]:
    """Take steps of stochastic gradient descent on `parameters`, in place.

    A step draws an edge, source -> target, and negatives from the target's noise class, and ascends
    log s(v.c) + sum log s(-v.n), LINE equation 7. Other threads may write the same arrays meanwhile.
    Returns the sum of the loss over the samples it was taken of, and their number.
    """
    vectors, contexts = parameters.vectors, parameters.contexts
    dimensions = vectors.shape[1]
    step = np.empty(dimensions, dtype=np.float32)
    loss, measured = 0.0, 0
    for sample in range(lesson.samples):
        rate = np.float32(lesson.first_rate + (lesson.last_rate - lesson.first_rate) * sample / lesson.samples)
        source = _draw(state, edges.sources, 0)
        target = edges.neighbours[edges.targets.starts[source] + _draw(state, edges.targets, source)]
        kind = noise.classes[target]
        with_loss = sample % LOSS_STRIDE == 0
        measured += with_loss
        vector = vectors[source]
        step[:] = np.float32(0.0)
        for draw in range(lesson.negatives + 1):
            vertex = target
            label = np.float32(1.0)
            if draw > 0:
                vertex = noise.vertices[noise.tables.starts[kind] + _draw(state, noise.tables, kind)]
                label = np.float32(0.0)
                if vertex == target:
                    continue
            context = contexts[vertex]
            score = np.float32(0.0)
            for d in range(dimensions):
                score += vector[d] * context[d]
            chance = np.float32(1.0) / (np.float32(1.0) + np.exp(-score))
            if with_loss:
                loss -= np.log(np.float32(1e-7) + (chance if draw == 0 else np.float32(1.0) - chance))
            gradient = rate * (label - chance)
            for d in range(dimensions):
                step[d] += gradient * context[d]
                context[d] += gradient * vector[d]
        for d in range(dimensions):
            vector[d] += step[d]
    return loss, measured
