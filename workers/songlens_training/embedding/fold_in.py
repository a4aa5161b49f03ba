"""Fold-in: where LINE's objective draws a new vertex while all contexts stay as they are.

A vertex *s* is drawn together with its keyword *k* in proportion to the edge's weight, p(k | s), and with K negatives
drawn from keywords in proportion to degree^0.75, P(n); a negative that is the target itself is passed over. So in
expectation training minimises, of the vertex's own vector *v* (LINE, arXiv 1503.03578, equation 7),

    f(v) = - sum_k p(k | s) ln s(v . c_k)  -  K sum_n P(n) (1 - p(n | s)) ln s(-v . c_n)

Contexts of songs and images are in none of these terms, for a song's neighbours are keywords and so are its negatives.
Only where negatives were drawn from vertices of all types is n any vertex; a few dozen that are drawn by P then stand
for all but the keywords.

f is convex but has no minimum, for a keyword that the vertex lacks may be pushed away for ever. Training stops long
before that matters; here `PRIOR` / 2 |v|^2 is added, which makes the minimum unique, and Newton's method finds it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.contexts import Contexts
from songlens_training.embedding.profiles import Profiles

PRIOR = 0.5
"""From 0.1 to 1 as many neighbours were right; below it added songs came back too seldom, above too often."""
TOLERANCE = 1e-6
"""How far a vector may be from the minimum, which is at most the length of the gradient / `PRIOR` away."""
MAX_STEPS = 100
"""Newton's method takes eight."""
_BLOCK_NUMBERS = 1 << 22

Exact = NDArray[np.float64]


def fold_in(contexts: Contexts, vertices: Profiles) -> Exact:
    """Return the minimum of the objective for each vertex, float64 (N, D), at whatever length it has.

    Every vertex must have a keyword. What comes of one does not depend on the others, beyond rounding.
    """
    basis, coordinates = np.linalg.qr(contexts.vectors.T.astype(np.float64))  # (D, R), (R, C)
    reduced = Reduced(contexts=coordinates.T, repulsion=contexts.negatives * contexts.noise)
    folded = np.empty((len(vertices), contexts.vectors.shape[1]))
    size = max(1, _BLOCK_NUMBERS // (coordinates.size + len(coordinates) ** 2))
    for start in range(0, len(vertices), size):
        block = np.arange(start, min(start + size, len(vertices)))
        folded[block] = reduced.minimum(attraction(contexts, vertices.rows(block))) @ basis.T
    return folded


def attraction(contexts: Contexts, vertices: Profiles) -> Exact:
    """Return p(k | s), float64 (N, C); 0 for vertices that are only negatives."""
    powered = replace(vertices, weights=vertices.weights**contexts.neighbour_power)
    drawn = powered.dense(len(contexts.vectors))
    shares: Exact = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True, eq=False)
class Reduced:
    """The objective in the R dimensions that contexts span, for vertices whose p(k | s) is `shares` (N, C)."""

    contexts: Exact
    """(C, R)"""
    repulsion: Exact
    """(C,) the number of negatives times the noise."""

    def value(self, shares: Exact, vectors: Exact) -> Exact:
        """Return the objective (N,) at `vectors` (N, R), with the prior."""
        scores = vectors @ self.contexts.T  # (N, C)
        losses = shares * np.logaddexp(0, -scores) + self.repulsion * (1 - shares) * np.logaddexp(0, scores)
        values: Exact = losses.sum(axis=1) + PRIOR / 2 * np.einsum("nr,nr->n", vectors, vectors)
        return values

    def gradient(self, shares: Exact, vectors: Exact) -> Exact:
        """Return its gradient (N, R)."""
        chances = self._chances(vectors)
        pull = shares * (1 - chances) - self.repulsion * (1 - shares) * chances  # (N, C)
        gradients: Exact = PRIOR * vectors - pull @ self.contexts
        return gradients

    def hessian(self, shares: Exact, vectors: Exact) -> Exact:
        """Return its second derivatives (N, R, R)."""
        chances = self._chances(vectors)
        curvature = (shares + self.repulsion * (1 - shares)) * chances * (1 - chances)  # (N, C)
        hessians: Exact = (self.contexts.T * curvature[:, None, :]) @ self.contexts
        return hessians + PRIOR * np.eye(self.contexts.shape[1])

    def _chances(self, vectors: Exact) -> Exact:
        """Return s(v . c) (N, C)."""
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
