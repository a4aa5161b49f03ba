"""Similar words by the cosine of word vectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from songlens_training.evaluate.similar.source import Fold, unfolded

_BLOCK_SCORES = 16 << 20
_SPARE = 8
"""More candidates than asked for: after folding, two of them may be one word."""


class WordVectors:
    """Words and their vectors; the more alike two directions are, the more similar the words."""

    def __init__(
        self, words: Sequence[str], vectors: NDArray[np.float32], *, name: str = "vectors", fold: Fold = unfolded
    ) -> None:
        """`vectors`: float32 (W, D), one row for each word; a zero vector makes its word unknown.

        Raises `ValueError` for another shape.
        """
        if vectors.ndim != 2 or len(vectors) != len(words):
            raise ValueError(f"{len(words)} words do not go with vectors {vectors.shape}")
        self.name = name
        self._fold = fold
        lengths = np.linalg.norm(vectors, axis=1)  # (W,)
        usable = np.flatnonzero(np.isfinite(lengths) & (lengths > 0))
        self._directions = (vectors[usable] / lengths[usable, None]).astype(np.float32, copy=False)  # (U, D)
        self._words = [fold(words[row]) for row in usable.tolist()]
        self._rows: dict[str, int] = {}
        for row, word in enumerate(self._words):
            self._rows.setdefault(word, row)

    def __len__(self) -> int:
        return len(self._rows)

    def similar(self, words: Collection[str], limit: int) -> Mapping[str, tuple[str, ...]]:
        """Rank by cosine, the earlier row first among equals; see `SimilarWords.similar`."""
        known = [word for word in words if self._fold(word) in self._rows]
        found: dict[str, tuple[str, ...]] = {}
        step = max(1, _BLOCK_SCORES // max(1, len(self._words)))
        for start in range(0, len(known), step):
            block = known[start : start + step]
            queries = self._directions[[self._rows[self._fold(word)] for word in block]]  # (B, D)
            for word, cosines in zip(block, queries @ self._directions.T, strict=True):  # (U,)
                found[word] = self._nearest(self._fold(word), cosines, limit)
        return {word: similar for word, similar in found.items() if similar}

    def _nearest(self, word: str, cosines: NDArray[np.float32], limit: int) -> tuple[str, ...]:
        """Return the `limit` words of greatest cosine (U,); look at more rows while folding has merged too many."""
        count = limit
        while True:
            count = min(len(cosines), 2 * count + _SPARE)
            # Sorted first, so that the stable sort puts the earlier row first among equals.
            candidates = np.sort(np.argpartition(-cosines, count - 1)[:count])
            order = candidates[np.argsort(-cosines[candidates], kind="stable")]
            nearest = dict.fromkeys(self._words[row] for row in order.tolist())
            nearest.pop(word, None)
            if len(nearest) >= limit or count == len(cosines):
                return tuple(nearest)[:limit]
