"""The alias tables that edges and negatives are drawn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.alias import alias_tables
from songlens_training.embedding.line_kernel import EdgeTables, NoiseTables
from songlens_training.embedding.sampling import NOISE_POWER, Noise, Sampling
from songlens_training.graph.adjacency import Adjacency


def edge_tables(neighbourhood: Adjacency, degrees: NDArray[np.float64], sampling: Sampling) -> EdgeTables:
    """Return the tables that draw a source by degree^source_power and then a neighbour by weight^neighbour_power.

    An isolated vertex, which has no neighbour to draw, is never drawn.
    """
    sources = np.where(degrees > 0, degrees, 1.0) ** sampling.source_power * (degrees > 0)
    weights = neighbourhood.weights.astype(np.float64)
    np.power(weights, sampling.neighbour_power, out=weights)
    return EdgeTables(
        sources=alias_tables(sources, np.array([0, len(degrees)])),
        targets=alias_tables(weights, neighbourhood.starts),
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
