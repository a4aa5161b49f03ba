"""The keywords of many vertices, in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Profiles:
    """The keywords of N vertices and their weights, in CSR form: row i has `keywords[starts[i]:starts[i + 1]]`."""

    starts: NDArray[np.int64]
    """(N + 1,)"""
    keywords: NDArray[np.int32]
    """(M,) positions among the contexts' words; none twice in a row."""
    weights: NDArray[np.float64]
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

    def dense(self, count: int) -> NDArray[np.float64]:
        """Return the weights as (N, `count`)."""
        matrix = np.zeros((len(self), count))
        matrix[self.owners, self.keywords] = self.weights
        return matrix
