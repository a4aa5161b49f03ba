"""Fold-in: where LINE's objective draws a new vertex while all contexts stay as they are.

A vertex *s* is drawn together with its keyword *k* in proportion to the edge's weight, p(k | s), and with K negatives
drawn from keywords in proportion to degree^0.75, P(n); a negative that is the target itself is passed over. So in
expectation training minimises, of the vertex's own vector *v* (LINE, arXiv 1503.03578, equation 7),

    f(v) = - sum_k p(k | s) ln s(v . c_k)  -  K sum_n P(n) (1 - p(n | s)) ln s(-v . c_n)

Contexts of songs and images are in none of these terms: a song's neighbours are keywords, and so are its negatives.
Where the base was trained with negatives among all vertices, keywords stand for them.

f is convex but has no minimum, for a keyword that the vertex lacks may be pushed away for ever. Training stops long
before that matters; here `PRIOR` / 2 |v|^2 is added, which makes the minimum unique, and Newton's method finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIOR = 0.1
"""With 1, added songs came back too often where songs have many keywords, with 0.01 too seldom (docs/method.md)."""
TOLERANCE = 1e-6
"""How far a vector may be from the minimum, which is at most the length of the gradient / `PRIOR` away."""
MAX_STEPS = 100
"""Newton's method takes eight."""
_BLOCK_NUMBERS = 1 << 22

Vectors = NDArray[np.float32]
Exact = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contexts:
    """What a model version keeps of its training, so that vertices can be folded in."""

    words: Sequence[str]
    """The K keywords."""
    vectors: Vectors
    """(K, D) context vectors; of first-order proximity the keywords' own vectors."""
    noise: Exact
    """(K,) the chance of each keyword to be drawn as a negative; their sum is 1."""
    negatives: int
    neighbour_power: float
    """A neighbour is drawn in proportion to weight^neighbour_power."""
    normalise: bool
    """Whether vectors have length 1."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """The keywords of N vertices and their weights, in CSR form: row i has `keywords[starts[i]:starts[i + 1]]`."""

    starts: NDArray[np.int64]
    """(N + 1,)"""
    keywords: NDArray[np.int32]
    """(M,) positions among the contexts' words; none twice in a row."""
    weights: Exact
    """(M,) > 0."""

    @classmethod
    def of(cls, bags: Sequence[Mapping[str, float]], words: Sequence[str]) -> Profiles:
        """Return the profiles of vertices from their keywords and weights; every keyword must be among `words`."""
        position = {word: number for number, word in enumerate(words)}
        return cls(
            starts=np.cumsum([0, *map(len, bags)]),
            keywords=np.array([position[word] for bag in bags for word in bag], np.int32),
            weights=np.array([weight for bag in bags for weight in bag.values()], np.float64),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> NDArray[np.int64]:
        """(M,) the vertex of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def keyword_lists(self, words: Sequence[str]) -> list[list[str]]:
        """Return the keywords of each vertex, as `words` has them."""
        spelled = [words[number] for number in self.keywords.tolist()]
        bounds = self.starts.tolist()
        return [spelled[start:stop] for start, stop in pairwise(bounds)]

    def rows(self, chosen: NDArray[np.int64]) -> Profiles:
        """Return the profiles of some vertices, in the order of `chosen`."""
        counts = np.diff(self.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(counts)])
        entries = np.repeat(self.starts[chosen] - starts[:-1], counts) + np.arange(starts[-1])
        return Profiles(starts, self.keywords[entries], self.weights[entries])

    def dense(self, count: int) -> Exact:
        """Return the weights as (N, K), K = `count`."""
        matrix = np.zeros((len(self), count))
        matrix[self.owners, self.keywords] = self.weights
        return matrix


def fold_in(contexts: Contexts, vertices: Profiles) -> Exact:
    """Return the minimum of the objective for each vertex, float64 (N, D), at whatever length it has.

    Every vertex must have a keyword. What comes of one does not depend on the others, beyond rounding.
    """
    basis, coordinates = np.linalg.qr(contexts.vectors.T.astype(np.float64))  # (D, R), (R, K): contexts span R of D
    reduced = Reduced(contexts=coordinates.T, repulsion=contexts.negatives * contexts.noise)
    folded = np.empty((len(vertices), contexts.vectors.shape[1]))
    size = max(1, _BLOCK_NUMBERS // (coordinates.size + len(coordinates) ** 2))
    for start in range(0, len(vertices), size):
        block = np.arange(start, min(start + size, len(vertices)))
        folded[block] = reduced.minimum(attraction(contexts, vertices.rows(block))) @ basis.T
    return folded


def attraction(contexts: Contexts, vertices: Profiles) -> Exact:
    """Return p(k | s), float64 (N, K)."""
    powered = replace(vertices, weights=vertices.weights**contexts.neighbour_power)
    drawn = powered.dense(len(contexts.words))
    shares: Exact = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True, eq=False)
class Reduced:
    """The objective in the R dimensions that contexts span, for vertices whose p(k | s) is `shares` (N, K)."""

    contexts: Exact
    """(K, R)"""
    repulsion: Exact
    """(K,) negatives times the noise."""

    def value(self, shares: Exact, vectors: Exact) -> Exact:
        """Return the objective (N,) at `vectors` (N, R), with the prior."""
        scores = vectors @ self.contexts.T  # (N, K)
        losses = shares * np.logaddexp(0, -scores) + self.repulsion * (1 - shares) * np.logaddexp(0, scores)
        values: Exact = losses.sum(axis=1) + PRIOR / 2 * np.einsum("nr,nr->n", vectors, vectors)
        return values

    def gradient(self, shares: Exact, vectors: Exact) -> Exact:
        """Return its gradient (N, R)."""
        chances = self._chances(vectors)
        pull = shares * (1 - chances) - self.repulsion * (1 - shares) * chances  # (N, K)
        gradients: Exact = PRIOR * vectors - pull @ self.contexts
        return gradients

    def hessian(self, shares: Exact, vectors: Exact) -> Exact:
        """Return its second derivatives (N, R, R)."""
        chances = self._chances(vectors)
        curvature = (shares + self.repulsion * (1 - shares)) * chances * (1 - chances)  # (N, K)
        hessians: Exact = (self.contexts.T * curvature[:, None, :]) @ self.contexts
        return hessians + PRIOR * np.eye(self.contexts.shape[1])

    def _chances(self, vectors: Exact) -> Exact:
        """Return s(v . c) (N, K)."""
        chances: Exact = np.exp(-np.logaddexp(0, -(vectors @ self.contexts.T)))
        return chances

    def minimum(self, shares: Exact) -> Exact:
        """Return where the objective is least, (N, R)."""
        vectors = np.zeros((len(shares), self.contexts.shape[1]))
        for _ in range(MAX_STEPS):
            gradients = self.gradient(shares, vectors)
            if np.linalg.norm(gradients, axis=1).max() <= PRIOR * TOLERANCE:
                break
            steps: NDArray[Any] = np.linalg.solve(self.hessian(shares, vectors), gradients[:, :, None])[:, :, 0]
            vectors = self._descended(shares, vectors, steps)
        return vectors

    def _descended(self, shares: Exact, vectors: Exact, steps: Exact) -> Exact:
        """Return `vectors` - `steps`, a vertex's step halved until the objective does not rise."""
        before = self.value(shares, vectors)
        rounding = 1e-12 * (1 + np.abs(before))
        scale = np.ones((len(vectors), 1))
        for _ in range(MAX_STEPS):
            rises = self.value(shares, vectors - scale * steps) > before + rounding
            if not rises.any():
                break
            scale[rises] /= 2
        return vectors - scale * steps
