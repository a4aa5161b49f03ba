"""Network embedding: LINE's second-order proximity on the heterogeneous graph.

Tang et al., "LINE: Large-scale Information Network Embedding" (WWW 2015, arXiv 1503.03578). The graph is
undirected: each edge is sampled in both directions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError
from songlens_training.embedding.alias import alias_tables
from songlens_training.embedding.line_kernel import EdgeTables, Lesson, NoiseTables, Parameters, train_samples
from songlens_training.embedding.propagation import propagated_start
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Adjacency, Graph, adjacency, check_graph

ROUNDS = 100
NOISE_POWER = 0.75
MIN_SAMPLES = 1_000_000
SAMPLES_PER_EDGE = 20


Noise = Literal["typed", "all"]
Start = Literal["propagated", "random"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingOptions:
    """How to train. The paper gives edge sampling, negative sampling and SGD; the rest is LINE's where it is
    not said otherwise. SMORe's behaviour is `source_power=0.75, neighbour_power=0.75, noise="all",
    start="random", normalise=False`."""

    dimensions: int = 128
    samples: int | None = None
    """Edges to draw in all; None: `automatic_samples`."""
    negatives: int = 5
    learning_rate: float = 0.025
    """At the start; falls linearly to nothing with the samples done."""
    threads: int | None = None
    """None: all cores. With 1, the same seed gives the same vectors bit for bit."""
    seed: int = 1
    source_power: float = 0.75
    """A source vertex is drawn in proportion to degree^source_power, then its neighbour in proportion to the
    edge's weight. 1 is LINE's plain edge sampling."""
    neighbour_power: float = 1.0
    """Neighbours are drawn by weight^neighbour_power. SMORe's tables use 0.75 here and for sources."""
    noise: Noise = "typed"
    """Where negatives come from: vertices of the target's type, as in PTE (KDD 2015), LINE's own extension to
    heterogeneous graphs; or all vertices, as in LINE. By degree^0.75 in both."""
    start: Start = "propagated"
    """Where training begins: contexts averaged over neighbours (`propagation.py`), or LINE's own start:
    vectors even in +-1/(2D), contexts zero."""
    normalise: bool = True
    """Scale the final vectors to length 1, so that Euclidean distance compares directions and not how often
    a vertex was sampled."""


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """Where training stands."""

    samples_done: int
    samples_total: int
    samples_per_s: float
    loss: float
    """Mean loss of a sample in the last round: -log s(v.c) - sum log s(-v.n)."""


def train_embedding(
    graph: Graph,
    options: EmbeddingOptions | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> Embedding:
    """Return a vector for each vertex of `graph`; vertices with the same neighbours lie close together.

    `progress` is called in the calling thread after each of about a hundred rounds. Raises `DataError`
    for a graph that cannot be trained on and `ConfigError` for options out of range.
    """
    options = options or EmbeddingOptions()
    check_options(options)
    check_graph(graph)
    neighbourhood = adjacency(graph)
    plan = _plan(graph, neighbourhood, options)
    with ThreadPoolExecutor(plan.threads) as pool:
        state = _initial_state(neighbourhood, plan, options, pool)
        while state.samples_done < plan.samples:
            report = _round(plan, state, pool)
            if progress is not None:
                progress(report)
    vectors = unit_length(state.vectors) if options.normalise else state.vectors
    return Embedding(vertices=graph.vertices, vectors=vectors, contexts=state.contexts)


def check_options(options: EmbeddingOptions) -> None:
    """Raise `ConfigError` for an option out of range."""
    at_least_one = {"dimensions": options.dimensions, "samples": options.samples, "threads": options.threads}
    for name, value in at_least_one.items():
        if value is not None and value < 1:
            raise ConfigError(f"Embedding {name} must be at least 1, not {value}.")
    if options.negatives < 0:
        raise ConfigError(f"Embedding negatives must not be negative, but are {options.negatives}.")
    if not 0 <= options.learning_rate < 1:
        raise ConfigError(f"The learning rate must be in [0, 1), not {options.learning_rate}.")
    if options.noise not in get_args(Noise) or options.start not in get_args(Start):
        raise ConfigError(f"Unknown noise {options.noise!r} or start {options.start!r}.")


def automatic_samples(edges: int) -> int:
    """Return the default number of samples: 20 an edge, and a million (half a second) at least.

    At the paper's size that is 5 million. The loss still falls slowly beyond, while which songs lie next
    to an image no longer changes.
    """
    return max(MIN_SAMPLES, SAMPLES_PER_EDGE * edges)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What stays the same through all rounds."""

    edges: EdgeTables
    noise: NoiseTables
    negatives: int
    learning_rate: float
    samples: int
    threads: int


@dataclass(kw_only=True)
class _State:
    """What training changes; all that a checkpoint would need."""

    vectors: NDArray[np.float32]
    contexts: NDArray[np.float32]
    generators: NDArray[np.uint64]
    """(T, 8) a random generator for each thread, on a cache line of its own; the first two words are used."""
    samples_done: int


def _plan(graph: Graph, neighbourhood: Adjacency, options: EmbeddingOptions) -> _Plan:
    degrees = graph.degrees()
    return _Plan(
        edges=edge_tables(neighbourhood, degrees, options),
        noise=noise_tables(graph.vertex_types, degrees, options.noise),
        negatives=options.negatives,
        learning_rate=options.learning_rate,
        samples=options.samples or automatic_samples(len(graph.weights)),
        threads=options.threads or os.cpu_count() or 1,
    )


def edge_tables(neighbourhood: Adjacency, degrees: NDArray[np.float64], options: EmbeddingOptions) -> EdgeTables:
    """Return the tables that draw a source by degree^source_power and then a neighbour by its weight."""
    return EdgeTables(
        sources=alias_tables(degrees**options.source_power, np.array([0, len(degrees)])),
        targets=alias_tables(neighbourhood.weights.astype(np.float64) ** options.neighbour_power, neighbourhood.starts),
        neighbours=neighbourhood.neighbours,
    )


def noise_tables(types: NDArray[np.int8], degrees: NDArray[np.float64], noise: Noise) -> NoiseTables:
    """Return the tables that draw negatives by degree^0.75, within each vertex type or among all."""
    classes = types if noise == "typed" else np.zeros_like(types)
    vertices = np.argsort(classes, kind="stable").astype(np.int32)
    starts = np.zeros(int(classes.max()) + 2, dtype=np.int64)
    np.cumsum(np.bincount(classes), out=starts[1:])
    return NoiseTables(
        tables=alias_tables(degrees[vertices] ** NOISE_POWER, starts), vertices=vertices, classes=classes
    )


def _initial_state(neighbourhood: Adjacency, plan: _Plan, options: EmbeddingOptions, pool: Executor) -> _State:
    random = np.random.default_rng(options.seed)
    generators = random.integers(1, 2**63, size=(plan.threads, 8), dtype=np.uint64)
    # The start must not depend on how many generators were made before it.
    random = np.random.default_rng([options.seed, 1])
    if options.start == "propagated":
        vectors, contexts = propagated_start(neighbourhood, options.dimensions, random, pool, plan.threads)
    else:
        vectors, contexts = _random_start(len(neighbourhood.starts) - 1, options.dimensions, random)
    return _State(vectors=vectors, contexts=contexts, generators=generators, samples_done=0)


def _random_start(
    count: int, dimensions: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape = (count, dimensions)
    vectors = (random.random(shape, dtype=np.float32) - np.float32(0.5)) / np.float32(dimensions)
    return vectors, np.zeros(shape, dtype=np.float32)


def _round(plan: _Plan, state: _State, pool: Executor) -> TrainingProgress:
    """Train one round on all threads and move `state` on."""
    samples = min(-(-plan.samples // ROUNDS), plan.samples - state.samples_done)
    shares = [(samples + thread) // plan.threads for thread in range(plan.threads)]
    first, last = (
        plan.learning_rate * (1 - done / plan.samples) for done in (state.samples_done, state.samples_done + samples)
    )
    started = time.perf_counter()
    parameters = Parameters(state.vectors, state.contexts)
    losses = [
        pool.submit(
            train_samples,
            parameters,
            plan.edges,
            plan.noise,
            Lesson(share, plan.negatives, first, last),
            generator,
        )
        for share, generator in zip(shares, state.generators, strict=True)
    ]
    sums = [future.result() for future in losses]
    state.samples_done += samples
    return TrainingProgress(
        samples_done=state.samples_done,
        samples_total=plan.samples,
        samples_per_s=samples / max(time.perf_counter() - started, 1e-9),
        loss=sum(loss for loss, _ in sums) / max(sum(count for _, count in sums), 1),
    )


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `vectors` (V, D) scaled to length 1; a zero vector stays zero."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return unit
