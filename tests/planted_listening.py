"""A small world with listeners whose tastes are planted.

Every song has one or two themes, a keyword each, and 40 % of the songs also hold the keyword "night", which has nothing
to do with themes: an image of night is a neutral photo. Every song belongs to a circle too, of which no keyword tells.
A listener loves a theme or a circle: four plays in five are of its songs, the fifth of any song.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from songlens_shared.messages import Hits, NeighbourImage
from songlens_training.catalogue.listening import Plays
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import train_embedding
from songlens_training.embedding.users import with_user_vectors
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, VertexType, build_graph
from songlens_training.graph.listening import weigh, with_listening
from songlens_training.graph.listening_options import ListeningOptions
from songlens_workers.songs.cache import BatchCache
from songlens_workers.songs.cards import SongCard
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.picking import pick_all
from songlens_workers.songs.ranker import Pick, SongRanker
from songlens_workers.songs.taste import tastes

NIGHT = "night"
_TRUE_SHARE = 0.8
_NIGHT_SHARE = 0.4

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Listener:
    """One listener: of a theme, or else of a circle."""

    theme: int | None
    circle: int | None


@dataclass(frozen=True)
class World:
    """Songs and images, and what is true of them."""

    themes: Mask
    """(S, T) which themes a song has."""
    night: Mask
    """(S,) whether it holds the neutral keyword."""
    circles: NDArray[np.int64]
    """(S,) the circle of each song."""
    keywords: dict[VertexType, dict[str, dict[str, float]]]
    """What `build_graph` takes."""

    @classmethod
    def make(cls, *, songs: int, themes: int, circles: int, images: int, seed: int = 5) -> World:
        """Plant a world with so many images of each theme, and of night."""
        random = np.random.default_rng(seed)
        has = np.zeros((songs, themes), np.bool_)
        for row in has:
            row[random.choice(themes, 1 + (random.random() < 0.5), replace=False)] = True
        night = random.random(songs) < _NIGHT_SHARE
        bags = {str(song): _bag(has[song], bool(night[song]), random) for song in range(songs)}
        pictures = {f"{theme}/{number}": {str(theme): 1.0} for theme in range(themes) for number in range(images)}
        pictures |= {f"{NIGHT}/{number}": {NIGHT: 1.0} for number in range(images)}
        keywords = {VertexType.SONG: bags, VertexType.IMAGE: pictures}
        return cls(has, night, random.integers(circles, size=songs), keywords)

    @cached_property
    def graph(self) -> Graph:
        """Songs and images on their keywords, without any listener."""
        return build_graph(self.keywords)

    def liked(self, listener: Listener) -> Mask:
        """Return (S,) which songs are to a listener's taste."""
        return self.circles == listener.circle if listener.theme is None else self.themes[:, listener.theme]

    def listeners(self, count: int) -> list[Listener]:
        """Return listeners, in turn of a theme and of a circle."""
        themes, circles = self.themes.shape[1], int(self.circles.max()) + 1
        return [
            Listener(None, number // 2 % circles) if number % 2 else Listener(number // 2 % themes, None)
            for number in range(count)
        ]

    def plays(self, listeners: Sequence[Listener], rows: Sequence[int], seed: int = 6) -> Plays:
        """Return a log in which each listener has as many rows as one of `rows` says, each of one play or more."""
        random = np.random.default_rng(seed)
        users: list[int] = []
        songs: list[int] = []
        for number, listener in enumerate(listeners):
            count = int(random.choice(rows))
            true = random.random(count) < _TRUE_SHARE
            liked, any_song = np.flatnonzero(self.liked(listener)), np.arange(len(self.night))
            users += [number] * count
            songs += np.where(true, random.choice(liked, count), random.choice(any_song, count)).tolist()
        return log(users, songs, random.geometric(0.3, len(users)))


def _bag(themes: Mask, night: bool, random: np.random.Generator) -> dict[str, float]:
    """Return the keyword weights of a song, by the order of size that TF-IDF has."""
    bag = {str(theme): 3.0 * (1 + np.log(random.integers(1, 4))) for theme in np.flatnonzero(themes).tolist()}
    return bag | ({NIGHT: 1.25 * (1 + np.log(random.integers(1, 3)))} if night else {})


def log(users: Sequence[int], songs: Sequence[int], counts: Sequence[int], times_s: Sequence[float] = ()) -> Plays:
    """Return the rows of a log; users and songs are named by their numbers."""
    named, user_of = np.unique(users, return_inverse=True)
    played, song_of = np.unique(songs, return_inverse=True)
    return Plays(
        users=[str(user) for user in named],
        songs=[str(song) for song in played],
        user_of=user_of.astype(np.int32),
        song_of=song_of.astype(np.int32),
        counts=np.asarray(counts, np.float64),
        times_s=np.asarray(times_s or np.full(len(users), np.nan), np.float64),
    )


def learned(world: World, plays: Plays, options: ListeningOptions, embedding: EmbeddingOptions) -> Embedding:
    """Return the embedding as a build learns it: users' vectors among the songs'."""
    listening = weigh(plays, world.keywords[VertexType.SONG], options)
    return with_user_vectors(train_embedding(with_listening(world.graph, listening, options.strength), embedding))


class Recommender:
    """The song stage's ranking and picking over an embedding, without a server."""

    def __init__(self, embedding: Embedding) -> None:
        song_ids, vectors = embedding.of_type(VertexType.SONG)
        images, users = (_by_key(embedding, kind) for kind in (VertexType.IMAGE, VertexType.USER))
        self.song_numbers = np.array(song_ids, np.int64)
        self.model = SongModel(
            song_ids=song_ids,
            ranker=SongRanker(vectors),
            image_vectors=BatchCache(10_000, lambda ids: [images[id] for id in ids]),
            user_vectors=BatchCache(10_000, lambda ids: [users.get(id) for id in ids]),
            cards=BatchCache(0, lambda ids: [SongCard("", "", {}) for _ in ids]),
        )

    def picks(self, batch: Sequence[Hits]) -> list[list[Pick]]:
        """Return the picks of each request, with their weights as asked for."""
        return pick_all(self.model, batch, tastes(self.model, batch, default_weight=0.0))

    def songs(self, batch: Sequence[Hits]) -> NDArray[np.int64]:
        """Return the numbers of the songs of each request, (N, top_k)."""
        return self.song_numbers[[[pick.song for pick in picks] for picks in self.picks(batch)]]


def played_by(plays: Plays) -> dict[int, set[int]]:
    """Return the songs that each listener has played."""
    found: dict[int, set[int]] = {int(user): set() for user in plays.users}
    for user, song in zip(plays.user_of.tolist(), plays.song_of.tolist(), strict=True):
        found[int(plays.users[user])].add(int(plays.songs[song]))
    return found


def taste_of_new_songs(
    world: World, listeners: Sequence[Listener], plays: Plays, songs: Mapping[int, Iterable[int]], most: int = 10
) -> float:
    """Return, of the first `most` songs for each listener that the listener has not played, the share to the taste."""
    played = played_by(plays)
    new = {user: [song for song in row if song not in played[user]][:most] for user, row in songs.items()}
    return float(np.mean([world.liked(listeners[user])[row].mean() for user, row in new.items() if row]))


def nearest_songs(embedding: Embedding, users: Iterable[int], k: int) -> dict[int, list[int]]:
    """Return the numbers of the k songs nearest to each user that the model knows, nearest first."""
    song_ids, songs = embedding.of_type(VertexType.SONG)
    vectors = _by_key(embedding, VertexType.USER)
    known = [user for user in users if str(user) in vectors]
    _, positions = SongRanker(songs).nearest(np.stack([vectors[str(user)] for user in known]), k)
    return {user: [int(song_ids[song]) for song in row] for user, row in zip(known, positions.tolist(), strict=True)}


def _by_key(embedding: Embedding, kind: VertexType) -> dict[str, NDArray[np.float32]]:
    return dict(zip(*embedding.of_type(kind), strict=True))


def photo(keyword: int | str, user: int | None = None, weight: float | None = None) -> Hits:
    """Return the hits of a photo whose five neighbour images all bear one keyword."""
    images = tuple(NeighbourImage(id=f"{keyword}/{n}", distance=float(n), keywords=(str(keyword),)) for n in range(5))
    return Hits(
        id="r",
        client="c",
        model="m",
        images=images,
        top_k=10,
        songs_per_image=2,
        submitted_ms=0,
        timings_ms={},
        user=None if user is None else str(user),
        user_weight=weight,
    )
