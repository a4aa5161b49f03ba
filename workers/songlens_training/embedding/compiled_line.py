"""LINE on the processor: the compiled inner loop on threads that update without locks.

Recht et al., "Hogwild!: A Lock-Free Approach to Parallelizing Stochastic Gradient Descent" (NIPS 2011).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.line_kernel import Lesson, Parameters, train_samples
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.start import started
from songlens_training.embedding.tables import edge_tables, noise_tables
from songlens_training.graph.adjacency import Adjacency, adjacency
from songlens_training.graph.graph import Graph


class CompiledLine:
    """Trains on threads of this process. Same options and seed, one thread: the same vectors bit for bit."""

    def __init__(self, graph: Graph, options: EmbeddingOptions, threads: int) -> None:
        self._graph = graph
        self._options = options
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def start(self) -> None:
        """Draw the tables, and the vectors and contexts that training begins with."""
        neighbourhood = self._prepare()
        random = np.random.default_rng(self._options.seed)
        self._generators = random.integers(1, 2**63, size=(self._threads, 8), dtype=np.uint64)
        """A random generator for each thread, on a cache line of its own; the first two words are used."""
        self.vectors, self.contexts = started(neighbourhood, self._options, self._pool, self._threads)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where `arrays` were taken."""
        self._prepare()
        self.vectors, self._generators = arrays["vectors"], arrays["generators"]
        self.contexts = arrays["contexts"] if self._options.order == 2 else self.vectors

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what training changes. Of first order contexts are the vectors, and not there twice."""
        arrays: dict[str, NDArray[Any]] = {"vectors": self.vectors, "generators": self._generators}
        return arrays | ({"contexts": self.contexts} if self._options.order == 2 else {})

    def train(self, samples: int, first_rate: float, last_rate: float) -> tuple[float, int]:
        """Train on `samples` draws, the learning rate falling from first to last; return loss and what it is of."""
        options, sampling = self._options, self._options.sampling
        parameters = Parameters(self.vectors, self.contexts)
        shares = [(samples + thread) // self._threads for thread in range(self._threads)]
        lessons = [
            Lesson(
                samples=share,
                negatives=options.negatives,
                first_rate=first_rate,
                last_rate=last_rate,
                walk_steps=sampling.walk_steps,
                regularisation=sampling.regularisation,
                first_order=options.order == 1,
            )
            for share in shares
        ]
        losses = [
            self._pool.submit(train_samples, parameters, self._edges, self._noise, lesson, generator)
            for lesson, generator in zip(lessons, self._generators, strict=True)
        ]
        sums = [future.result() for future in losses]
        return sum(loss for loss, _ in sums), sum(count for _, count in sums)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _prepare(self) -> Adjacency:
        sampling, degrees = self._options.sampling, self._graph.degrees()
        neighbourhood = adjacency(self._graph)
        self._edges = edge_tables(neighbourhood, degrees, sampling)
        self._noise = noise_tables(self._graph.vertex_types, degrees, sampling.noise)
        return neighbourhood
