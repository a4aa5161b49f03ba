"""The systems that are compared: each makes ten songs of a photo's neighbour images.

All of them are given the neighbour images that the vision stage would find; they differ in what they make of them. A
list that is shorter than ten, because there are no more songs to draw from, is filled up with `NO_SONG`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError
from songlens_workers.songs.ranker import SongRanker, Vectors, pick

Positions = NDArray[np.int64]

LIST_LENGTH = 10
NO_SONG = -1
POPULAR_SONGS = 100

PROPOSED, KM, POP, RANDOM = "proposed", "km", "pop", "random"


class Recommender(Protocol):
    """Makes lists of songs for query images."""

    @property
    def name(self) -> str:
        """What the system is called in results."""

    def recommend(self, neighbours: Positions, repeats: int, random: np.random.Generator) -> Positions:
        """Return song positions, int64 (R, Q, 10), the best first, distinct but for `NO_SONG`.

        `neighbours`: int64 (Q, I), positions of the catalogue images nearest to each query image, nearest first. A
        system that draws does so anew for each of R = `repeats`, by `random`; for one that does not, R = 1.
        """


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """How many images and songs make a list; the options of a request with the same names."""

    images_k: int = 5
    songs_per_image: int = 2

    def check(self) -> None:
        """Raise `ConfigError` for a value out of the range of requests."""
        if not 1 <= self.images_k <= 100 or not 1 <= self.songs_per_image <= 50:
            raise ConfigError(f"images_k must be 1-100 and songs_per_image 1-50, not {self}.")

    def __str__(self) -> str:
        return f"{self.images_k}x{self.songs_per_image}"


@dataclass(frozen=True, eq=False)
class Proposed:
    """The method, by the code that serves: for each neighbour image the songs nearest to it by NE vectors."""

    image_vectors: Vectors
    """NE vectors (I, D) in the order of the index."""
    ranker: SongRanker
    retrieval: Retrieval
    name: ClassVar[str] = PROPOSED

    def recommend(self, neighbours: Positions, repeats: int, random: np.random.Generator) -> Positions:
        """Rank the songs once for every distinct neighbour image, then pick as the song stage does."""
        used = neighbours[:, : self.retrieval.images_k]
        images, rows = np.unique(used, return_inverse=True)
        distances, songs = self.ranker.nearest(self.image_vectors[images], LIST_LENGTH)  # (U, K)
        lists = np.full((1, len(neighbours), LIST_LENGTH), NO_SONG, np.int64)
        for query, own in enumerate(rows.reshape(used.shape)):
            picks = pick(
                distances[own],
                songs[own],
                top_k=LIST_LENGTH,
                songs_per_image=self.retrieval.songs_per_image,
            )
            lists[0, query, : len(picks)] = [chosen.song for chosen in picks]
        return lists


@dataclass(frozen=True, eq=False)
class KeywordMatching:
    """KM: ten songs drawn from those whose lyrics contain the keyword of the nearest image."""

    image_keywords: Sequence[str]
    """The heaviest keyword of each image, in the order of the index."""
    songs_with: Mapping[str, NDArray[np.int32]]
    name: ClassVar[str] = KM

    def recommend(self, neighbours: Positions, repeats: int, random: np.random.Generator) -> Positions:
        """Draw anew for each repeat; all queries that matched one keyword are drawn for together."""
        matched = np.array([self.image_keywords[image] for image in neighbours[:, 0].tolist()])
        lists = np.full((repeats, len(neighbours), LIST_LENGTH), NO_SONG, np.int64)
        for keyword in np.unique(matched).tolist():
            queries = np.flatnonzero(matched == keyword)
            pool = self.songs_with.get(keyword)
            if pool is not None:
                lists[:, queries] = draw(pool, repeats * len(queries), random).reshape(repeats, -1, LIST_LENGTH)
        return lists


@dataclass(frozen=True, eq=False)
class Drawn:
    """Ten songs drawn from one pool, whatever the photo shows: the popular songs, or all."""

    name: str
    pool: NDArray[np.int64]

    def recommend(self, neighbours: Positions, repeats: int, random: np.random.Generator) -> Positions:
        """Draw anew for each query and repeat."""
        return draw(self.pool, repeats * len(neighbours), random).reshape(repeats, -1, LIST_LENGTH)


def popular(popularity: Sequence[float | None]) -> Drawn | str:
    """Return POP over the `POPULAR_SONGS` most popular songs, or why there is none; ties in the order of the songs."""
    known = [position for position, value in enumerate(popularity) if value is not None]
    if len(known) < LIST_LENGTH:
        return (
            f"only {len(known)} of {len(popularity)} songs have a popularity" if known else "no song has a popularity"
        )
    ranked = sorted(known, key=lambda position: -(popularity[position] or 0.0))
    return Drawn(POP, np.array(ranked[:POPULAR_SONGS], np.int64))


def any_song(songs: int) -> Drawn:
    """Return the system that draws from all `songs`."""
    return Drawn(RANDOM, np.arange(songs, dtype=np.int64))


def draw(pool: NDArray[np.integer], rows: int, random: np.random.Generator) -> Positions:
    """Return int64 (rows, 10): in each row ten different elements of `pool`, every choice and order equally likely.

    Floyd's sampling (Bentley and Floyd, CACM 30(9), 1987) for all rows at once; its cost does not grow with the pool.
    """
    count = min(LIST_LENGTH, len(pool))
    chosen = np.full((rows, LIST_LENGTH), NO_SONG, np.int64)
    for column, last in enumerate(range(len(pool) - count, len(pool))):
        candidate = random.integers(0, last + 1, rows)  # (rows,)
        taken = (chosen[:, :column] == candidate[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, last, candidate)
    chosen[:, :count] = random.permuted(pool[chosen[:, :count]], axis=1)  # Floyd's sets are fair, their order is not
    return chosen
