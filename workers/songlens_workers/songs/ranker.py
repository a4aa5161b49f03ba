"""From neighbour images to songs: nearest NE vectors, and which of them are picked.

Paper, section 2.3: for each of the top images, the top songs by Euclidean distance between NE vectors. For a user the
distance is blended, which is ours: (1 - w) * |image - song| + w * |user - song|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from songlens_workers.songs.least import least

Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]
Exact = NDArray[np.float64]

_SPARE_CANDIDATES = 16
_BLOCK_SCORES = 2 << 20
_BLOCK_SONGS = 4096


@dataclass(frozen=True, slots=True)
class Pick:
    """One chosen song: its position among the songs, the rank of the image that brought it, and their distance."""

    song: int
    image: int
    distance: float


@dataclass(frozen=True, slots=True)
class Blends:
    """R rankings, each for an image and a user: the row of either among its vectors, and the weight of the user."""

    images: Positions
    """int64 (R,)"""
    users: Positions
    """int64 (R,)"""
    weights: Exact
    """float64 (R,), 0 to 1"""

    def __len__(self) -> int:
        return len(self.weights)

    def part(self, rows: slice) -> Blends:
        """Return some of the rankings."""
        return Blends(self.images[rows], self.users[rows], self.weights[rows])


class SongRanker:
    """Exact nearest songs by Euclidean distance between NE vectors.

    One matrix product for a whole block of images picks candidates. It rounds, so the candidates are measured exactly;
    where its rounding could have kept a nearer song out, all songs are. The product is in float64: songs of one keyword
    lie so close together that in float32 it could hardly ever tell.
    """

    def __init__(self, vectors: Vectors) -> None:
        """`vectors`: float32 (S, D), one row for each song. Raises `ValueError` for another shape or no song."""
        if vectors.ndim != 2 or not len(vectors):
            raise ValueError(f"song vectors must be (S, D) with S > 0; got {vectors.shape}")
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float64)
        self._half_norms = np.einsum("sd,sd->s", self._vectors, self._vectors) / 2
        self._longest = float(np.sqrt(2 * self._half_norms.max()))

    def __len__(self) -> int:
        return len(self._vectors)

    def nearest(self, images: Vectors, k: int) -> tuple[Vectors, Positions]:
        """Return distances float32 (N, K) and song positions int64 (N, K) for image vectors (N, D), nearest first.

        K is k or, in a smaller catalogue, the number of songs. Songs at the same distance come in their own order.
        Raises `ValueError` for another D, or k < 1.
        """
        if images.ndim != 2 or images.shape[1] != self._vectors.shape[1] or k < 1:
            raise ValueError(f"cannot rank {k} of songs {self._vectors.shape} for images {images.shape}")
        k = min(k, len(self))
        distances = np.empty((len(images), k), np.float32)
        positions = np.empty((len(images), k), np.int64)
        step = self._rows_at_once(k)
        for start in range(0, len(images), step):
            block = slice(start, start + step)
            distances[block], positions[block] = self._ranked(images[block].astype(np.float64), k)
        return distances, positions

    def nearest_blended(self, images: Vectors, users: Vectors, blends: Blends, k: int) -> tuple[Vectors, Positions]:
        """Return distances float32 (R, K) and song positions int64 (R, K) of each blend, nearest first.

        `images` (N, D) and `users` (M, D) are what the blends' rows point at. Songs at the same distance come in their
        own order. Raises `ValueError` for another D, or k < 1.
        """
        for points in (images, users):
            if points.ndim != 2 or points.shape[1] != self._vectors.shape[1] or k < 1:
                raise ValueError(f"cannot rank {k} of songs {self._vectors.shape} for vectors {points.shape}")
        k = min(k, len(self))
        exact_images, exact_users = images.astype(np.float64), users.astype(np.float64)
        distances = np.empty((len(blends), k), np.float32)
        positions = np.empty((len(blends), k), np.int64)
        step = self._rows_at_once(k)
        for start in range(0, len(blends), step):
            block = slice(start, start + step)
            distances[block], positions[block] = self._blended(exact_images, exact_users, blends.part(block), k)
        return distances, positions

    def _candidate_count(self, k: int) -> int:
        return min(len(self), 2 * k + _SPARE_CANDIDATES)

    def _rows_at_once(self, k: int) -> int:
        """Return for how many rankings neither all scores nor the candidates' vectors take much memory."""
        candidate_numbers: int = self._candidate_count(k) * self._vectors.shape[1]
        return max(1, _BLOCK_SCORES // max(len(self), candidate_numbers))

    def _ranked(self, images: Exact, k: int) -> tuple[Exact, Positions]:
        candidates, outside_at_least = self._candidates(images, self._candidate_count(k))
        differences = self._vectors[candidates] - images[:, None, :]  # (N, C, D)
        distances, positions = _first(k, np.linalg.norm(differences, axis=2), candidates)
        for row in np.flatnonzero(distances[:, -1] >= outside_at_least):
            measured = self._all_distances(images[row])[None]  # (1, S)
            (distances[row],), (positions[row],) = _first(k, measured, np.arange(len(self))[None])
        return distances, positions

    def _candidates(self, images: Exact, count: int) -> tuple[Positions, Exact]:
        """Return song positions (N, C) in their own order, and a distance (N,) that no other song is nearer than."""
        if count == len(self):
            return np.broadcast_to(np.arange(count), (len(images), count)), np.full(len(images), np.inf)
        # |s - i|^2 / 2 without the image's own norm, which changes no order.
        scores: Exact = images @ self._vectors.T  # (N, S)
        np.subtract(self._half_norms, scores, out=scores)  # in place, for fresh memory would take as long again
        candidates = least(scores, count)
        lengths = np.linalg.norm(images, axis=1)
        farthest = np.take_along_axis(scores, candidates, axis=1).max(axis=1) + lengths**2 / 2
        return np.sort(candidates, axis=1), np.sqrt(np.maximum(0, 2 * (farthest - self._rounding(lengths))))

    def _blended(self, images: Exact, users: Exact, blends: Blends, k: int) -> tuple[Exact, Positions]:
        candidates, outside_at_least = self._blend_candidates(images, users, blends, self._candidate_count(k))
        songs = self._vectors[candidates]  # (R, C, D)
        from_image = np.linalg.norm(songs - images[blends.images, None, :], axis=2)
        from_user = np.linalg.norm(songs - users[blends.users, None, :], axis=2)
        distances, positions = _first(k, _mix(from_image, from_user, blends.weights), candidates)
        for row in np.flatnonzero(distances[:, -1] >= outside_at_least):
            from_image = self._all_distances(images[blends.images[row]])[None]  # (1, S)
            from_user = self._all_distances(users[blends.users[row]])[None]
            measured = _mix(from_image, from_user, blends.weights[row, None])
            (distances[row],), (positions[row],) = _first(k, measured, np.arange(len(self))[None])
        return distances, positions

    def _blend_candidates(self, images: Exact, users: Exact, blends: Blends, count: int) -> tuple[Positions, Exact]:
        """As `_candidates`: song positions (R, C), and a distance (R,) that no other song is nearer than.

        The candidates are those with the least lower bounds, and a blend of lower bounds is a lower bound. So whatever
        is no candidate is at least as far as the greatest bound among them.
        """
        if count == len(self):
            return np.broadcast_to(np.arange(count), (len(blends), count)), np.full(len(blends), np.inf)
        image_rows, image_of = np.unique(blends.images, return_inverse=True)
        user_rows, user_of = np.unique(blends.users, return_inverse=True)
        from_image, from_user = self._at_least(images[image_rows]), self._at_least(users[user_rows])
        bounds = _mix(from_image[image_of], from_user[user_of], blends.weights)  # (R, S)
        candidates = least(bounds, count)
        farthest = np.take_along_axis(bounds, candidates, axis=1).max(axis=1)
        # Roots, products and sum of the blend itself round by an ulp each, here and where it is measured.
        return np.sort(candidates, axis=1), farthest * (1 - 16 * np.finfo(np.float64).eps)

    def _at_least(self, points: Exact) -> Exact:
        """Return, for points (P, D), distances (P, S) that are surely not greater than the measured ones."""
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        squares: Exact = points @ self._vectors.T
        # In place, here and in `_mix`: fresh memory for every step would take longer than the steps.
        np.subtract(self._half_norms, squares, out=squares)
        squares *= 2
        squares += lengths**2 - 2 * self._rounding(lengths)
        np.maximum(squares, 0, out=squares)
        return np.sqrt(squares, out=squares)

    def _rounding(self, lengths: Exact) -> Exact:
        """Return what half the square of a distance may be wrong by, given the lengths of the points.

        A sum of D products rounds by less than D units in the last place of the product of the lengths.
        """
        units = (self._vectors.shape[1] + 4) * np.finfo(np.float64).eps
        return np.asarray(units * (lengths + self._longest) ** 2)

    def _all_distances(self, image: Exact) -> Exact:
        """Return float64 (S,), in bounded memory."""
        blocks = (self._vectors[start : start + _BLOCK_SONGS] - image for start in range(0, len(self), _BLOCK_SONGS))
        return np.concatenate([np.linalg.norm(block, axis=1) for block in blocks])


def _mix(from_image: Exact, from_user: Exact, weights: Exact) -> Exact:
    """Return the blended distances, all (R, S), for user weights (R,). Takes the memory of both for its own."""
    from_image *= (1 - weights)[:, None]
    from_user *= weights[:, None]
    from_image += from_user
    return from_image


def _first(k: int, distances: Exact, positions: Positions) -> tuple[Exact, Positions]:
    """Return the k least distances of each row and their positions; among equals the first comes first."""
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(positions, order, axis=1)


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
