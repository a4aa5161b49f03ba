"""Where training begins."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.propagation import propagated_start
from songlens_training.graph.adjacency import Adjacency

Floats = NDArray[np.float32]


def started(neighbourhood: Adjacency, options: EmbeddingOptions, pool: Executor, threads: int) -> tuple[Floats, Floats]:
    """Return the vectors and contexts (V, D) to begin with; of first order one array for both.

    They depend on the seed, and not on the number of threads.
    """
    random = np.random.default_rng([options.seed, 1])
    if options.start == "propagated":
        vectors, contexts = propagated_start(neighbourhood, options.dimensions, random, pool, threads)
    else:
        vectors, contexts = random_start(len(neighbourhood.starts) - 1, options.dimensions, random)
    if options.order == 1:
        # A vertex's vector lies along its neighbours' contexts: so do the sums of both, along one another.
        vectors += contexts
        return vectors, vectors
    return vectors, contexts


def random_start(count: int, dimensions: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return vectors (V, D) even in +-1/(2D), and contexts (V, D) of zero: LINE's own start."""
    shape = (count, dimensions)
    vectors = random.random(shape, dtype=np.float32)
    vectors -= np.float32(0.5)
    vectors /= np.float32(dimensions)
    return vectors, np.zeros(shape, dtype=np.float32)
