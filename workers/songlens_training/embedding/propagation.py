"""A start for the vectors that knows the graph: random contexts, averaged over neighbours and back.

Iterated averaging of random vectors is what Cleora does ("Cleora: A Simple, Strong and Scalable Graph
Embedding Scheme", arXiv 2102.02302). Here it only sets where LINE begins. From LINE's own start, near zero, the
first millions of samples do no more than grow the vectors.
"""

from __future__ import annotations

from concurrent.futures import Executor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from songlens_training.graph.adjacency import Adjacency
from songlens_training.jit import compiled

PASSES = 2
"""Contexts -> vectors, so often; between them vectors -> contexts. One learns no co-occurrence, three blur."""
START_LENGTH = 2.0
"""Length of vectors and contexts at the start: scores of up to 4, which the sigmoid tells apart."""


def propagated_start(
    neighbourhood: Adjacency, dimensions: int, random: np.random.Generator, pool: Executor, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return vectors and contexts (V, D): each vector lies along the mean of its neighbours' contexts.

    The same generator state gives the same numbers whatever the number of threads.
    """
    count = len(neighbourhood.starts) - 1
    contexts = random.standard_normal((count, dimensions), dtype=np.float32)
    vectors = np.empty_like(contexts)
    cuts = _even_cuts(neighbourhood, threads)
    for number in range(PASSES):
        if number > 0:
            _average(neighbourhood, vectors, contexts, cuts, pool)
        _average(neighbourhood, contexts, vectors, cuts, pool)
    return vectors, contexts


def _even_cuts(neighbourhood: Adjacency, parts: int) -> list[int]:
    """Return the bounds of runs of vertices that have about the same number of edges."""
    shares = np.linspace(0, neighbourhood.starts[-1], parts + 1)[1:-1]
    inner = np.searchsorted(neighbourhood.starts, shares).tolist()
    return [0, *inner, len(neighbourhood.starts) - 1]


def _average(
    neighbourhood: Adjacency,
    given: NDArray[np.float32],
    result: NDArray[np.float32],
    cuts: list[int],
    pool: Executor,
) -> None:
    parts = [pool.submit(_average_rows, neighbourhood, given, result, low, high) for low, high in pairwise(cuts)]
    for part in parts:
        part.result()


@compiled
def _average_rows(
    neighbourhood: Adjacency, given: NDArray[np.float32], result: NDArray[np.float32], low: int, high: int
) -> None:
    """Set rows [low, high) of `result` to their neighbours' weighted mean in `given`, at `START_LENGTH`."""
    dimensions = given.shape[1]
    total = np.empty(dimensions, dtype=np.float32)
    for vertex in range(low, high):
        total[:] = np.float32(0.0)
        for slot in range(neighbourhood.starts[vertex], neighbourhood.starts[vertex + 1]):
            neighbour, weight = neighbourhood.neighbours[slot], neighbourhood.weights[slot]
            for d in range(dimensions):
                total[d] += weight * given[neighbour, d]
        square = np.float32(0.0)
        for d in range(dimensions):
            square += total[d] * total[d]
        scale = np.float32(START_LENGTH) / np.sqrt(max(square, np.float32(1e-24)))
        for d in range(dimensions):
            result[vertex, d] = scale * total[d]
