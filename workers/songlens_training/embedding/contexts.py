"""What is kept of a training so that vertices can be folded in later: context vectors, and how they were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.sampling import NOISE_POWER
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, VertexType

OTHER_NEGATIVES = 64
"""Vertices that stand for all but the keywords as negatives; eight times as many changed nothing."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contexts:
    """What a model version keeps of its training, so that vertices can be folded in."""

    words: Sequence[str]
    """The K keywords."""
    vectors: NDArray[np.float32]
    """(C, D) the context vectors of the keywords, and after them of vertices that are only ever negatives. Of
    first-order proximity, these are the vertices' own vectors."""
    noise: NDArray[np.float64]
    """(C,) the chance of each to be drawn as a negative; their sum is 1."""
    negatives: int
    neighbour_power: float
    """A neighbour is drawn in proportion to weight^neighbour_power."""
    normalise: bool
    """Whether vectors have length 1."""


def kept_contexts(embedding: Embedding, graph: Graph, options: EmbeddingOptions) -> Contexts:
    """Return what is to be kept of the training of `embedding` on `graph`."""
    keywords = np.array([row for row, vertex in enumerate(graph.vertices) if vertex.type is VertexType.KEYWORD])
    others, noise = _noise(graph, keywords, options)
    return Contexts(
        words=[graph.vertices[row].key for row in keywords],
        vectors=embedding.contexts[np.concatenate([keywords, others])],
        noise=noise,
        negatives=options.negatives,
        neighbour_power=options.sampling.neighbour_power,
        normalise=options.normalise,
    )


def _noise(graph: Graph, keywords: Rows, options: EmbeddingOptions) -> tuple[Rows, NDArray[np.float64]]:
    """Return other vertices to be kept, and the chances of keywords and then of these to be drawn as negatives."""
    drawn = graph.degrees() ** NOISE_POWER
    if options.sampling.noise == "typed":
        return np.empty(0, np.int64), drawn[keywords] / drawn[keywords].sum()
    drawn /= drawn.sum()
    rest = drawn.copy()
    rest[keywords] = 0
    share = rest.sum()
    others = np.random.default_rng(options.seed).choice(len(rest), OTHER_NEGATIVES, p=rest / share)
    return others, np.concatenate([drawn[keywords], np.full(OTHER_NEGATIVES, share / OTHER_NEGATIVES)])
