"""From neighbour images to songs: nearest NE vectors, and which of them are picked.

Paper, section 2.3: for each of the top images, the top songs by Euclidean distance between NE vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pick:
    """One chosen song: its position among the songs, the rank of the image that brought it, and their distance."""

    song: int
    image: int
    distance: float


class SongRanker:
    """Exact nearest songs by Euclidean distance between NE vectors."""

    def __init__(self, vectors: Vectors) -> None:
        """`vectors`: float32 (S, D), one row for each song."""
        if vectors.ndim != 2 or not len(vectors):
            raise ValueError(f"song vectors must be (S, D) with S > 0; got {vectors.shape}")
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._half_norms = np.einsum("sd,sd->s", self._vectors, self._vectors) / 2

    def __len__(self) -> int:
        return len(self._vectors)

    def nearest(self, images: Vectors, k: int) -> tuple[Vectors, Positions]:
        """Return distances float32 (N, K) and song positions int64 (N, K) for image vectors (N, D), nearest first.

        K is k or, in a smaller catalogue, the number of songs. Songs at the same distance come in their own order.
        """
        k = min(k, len(self))
        # |s - i|^2 / 2 without the image's own norm, which changes no order; one matrix product for the whole batch.
        scores = self._half_norms - images @ self._vectors.T  # (N, S)
        positions = np.argpartition(scores, k - 1, axis=1)[:, :k] if k < len(self) else _all(scores)
        # The product rounds; the few that are left are measured exactly.
        distances = np.linalg.norm(self._vectors[positions] - images[:, None, :], axis=2)  # (N, K)
        order = np.lexsort((positions, distances), axis=1)
        return np.take_along_axis(distances, order, 1), np.take_along_axis(positions, order, 1).astype(np.int64)


def _all(scores: Vectors) -> Positions:
    return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)


def pick(distances: Vectors, positions: Positions, *, top_k: int, songs_per_image: int) -> list[Pick]:
    """Return `top_k` distinct songs from the songs nearest to each image, (I, K) both, nearest image first.

    Each image in turn gives its nearest songs that no image before it has given; an image whose songs are taken goes on
    to its next ranks. Where that does not fill `top_k`, the images give one more song each, in turn, until it does.
    K >= top_k makes sure that `top_k` distinct songs come back whenever there are as many.
    """
    chosen: dict[int, Pick] = {}
    queues = [
        _Ranks(row_positions, row_distances) for row_positions, row_distances in zip(positions, distances, strict=True)
    ]
    quota = songs_per_image
    while len(chosen) < top_k and any(queues):
        for image, ranks in enumerate(queues):
            for song, distance in ranks.take(min(quota, top_k - len(chosen)), chosen):
                chosen[song] = Pick(song=song, image=image, distance=distance)
        quota = 1
    return list(chosen.values())


class _Ranks:
    """The songs of one image that have not been looked at yet."""

    def __init__(self, positions: Positions, distances: Vectors) -> None:
        self._songs: Sequence[int] = positions.tolist()
        self._distances: Sequence[float] = distances.tolist()
        self._next = 0

    def __bool__(self) -> bool:
        return self._next < len(self._songs)

    def take(self, count: int, chosen: dict[int, Pick]) -> list[tuple[int, float]]:
        """Return the next `count` songs that are not chosen yet."""
        taken: list[tuple[int, float]] = []
        while self and len(taken) < count:
            song = self._songs[self._next]
            if song not in chosen:
                taken.append((song, self._distances[self._next]))
            self._next += 1
        return taken
