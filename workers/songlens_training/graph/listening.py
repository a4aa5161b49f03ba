"""Listening behaviour as edges of the graph: users tied to the songs they played.

The weight of user u and song s is, before all are scaled to a mean that is relative to that of keywords' edges,

    weight(u, s) = ln(1 + sum of plays * 2^(-age / half-life))

over the rows of the log for u and s, where age is the time from the row to the newest row of the log: so the same log
gives the same weights whenever it is read. Without a half-life every play counts in full.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError
from songlens_training.catalogue.listening import Plays
from songlens_training.graph.graph import Graph, Vertex, VertexType, check_graph
from songlens_training.graph.listening_options import ListeningOptions, Weighting, check_options

_DAY_S = 86_400.0
FADED = 1e-3
"""Plays that have grown so few by their age are as good as none: ten half-lives make that of one."""

Numbers = NDArray[np.float64]

_WEIGHTS: Mapping[Weighting, Callable[[Numbers], Numbers]] = {
    Weighting.LOG: np.log1p,
    Weighting.PLAYS: lambda plays: plays,
    Weighting.ONCE: np.ones_like,
}


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What of a log did not come into the graph."""

    pairs_without_keyword: int
    """Pairs of user and song whose song has no keyword, and so no place in the model."""
    pairs_faded: int
    """Pairs whose plays are so old that nothing is left of them."""
    users_with_few_songs: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Listening:
    """E pairs of user and song, each once, and their weights before they are scaled."""

    users: list[str]
    songs: list[str]
    user_of: NDArray[np.int64]
    """(E,) positions in `users`, each of which occurs."""
    song_of: NDArray[np.int64]
    """(E,) positions in `songs`."""
    weights: Numbers
    """(E,) > 0."""
    left_out: LeftOut


def weigh(plays: Plays, songs: Collection[str], options: ListeningOptions) -> Listening:
    """Return the pairs of user and song with a weight by the module's formula, of those `songs` that are in the graph.

    Raises `ConfigError` for options out of range, and `DataError` when nothing is left.
    """
    check_options(options)
    users, played, totals = _summed(plays, options.half_life_days)
    in_graph = np.fromiter((song in songs for song in plays.songs), np.bool_, len(plays.songs))[played]
    lasting = totals >= FADED if options.half_life_days is not None else np.ones_like(in_graph)
    kept = in_graph & lasting
    songs_of = np.bincount(users[kept], minlength=len(plays.users))
    kept &= songs_of[users] >= options.min_songs
    if not kept.any():
        raise DataError(f"The listening log has no user with {options.min_songs} songs that are in the model.")
    numbers, user_of = np.unique(users[kept], return_inverse=True)
    return Listening(
        users=[plays.users[number] for number in numbers],
        songs=plays.songs,
        user_of=user_of,
        song_of=played[kept],
        weights=_WEIGHTS[options.weighting](totals[kept]),
        left_out=LeftOut(
            pairs_without_keyword=int((~in_graph).sum()),
            pairs_faded=int((in_graph & ~lasting).sum()),
            users_with_few_songs=len(plays.users) - len(numbers),
        ),
    )


def _summed(plays: Plays, half_life_days: float | None) -> tuple[NDArray[np.int64], NDArray[np.int64], Numbers]:
    """Return users, songs and plays (E,) of each pair of user and song, ordered by user and song."""
    counts = plays.counts
    if half_life_days is not None:
        ages_s = plays.times_s.max() - plays.times_s
        counts = counts * np.exp2(-ages_s / (half_life_days * _DAY_S))
    pair_of_row = plays.user_of.astype(np.int64) * len(plays.songs) + plays.song_of
    pairs, row_of = np.unique(pair_of_row, return_inverse=True)
    totals: Numbers = np.bincount(row_of, counts, len(pairs)).astype(np.float64, copy=False)
    return pairs // len(plays.songs), pairs % len(plays.songs), totals


def with_listening(graph: Graph, listening: Listening, strength: float) -> Graph:
    """Return `graph` with a vertex for each user, after its own, and an edge for each pair, after its own.

    The weights are scaled so that the new edges weigh on average `strength` times as much as those of `graph`. Raises
    `DataError` for a song that is not in the graph.
    """
    songs = {vertex.key: row for row, vertex in enumerate(graph.vertices) if vertex.type is VertexType.SONG}
    rows = np.fromiter((songs.get(song, -1) for song in listening.songs), np.int32, len(listening.songs))
    targets = rows[listening.song_of]
    if (targets < 0).any():
        raise DataError(f"The played song {listening.songs[listening.song_of[np.argmin(targets)]]!r} has no vertex.")
    scale = strength * graph.weights.mean(dtype=np.float64) / listening.weights.mean()
    users = [Vertex(VertexType.USER, user) for user in listening.users]
    joined = Graph(
        vertices=(*graph.vertices, *users),
        sources=np.concatenate([graph.sources, (len(graph.vertices) + listening.user_of).astype(np.int32)]),
        targets=np.concatenate([graph.targets, targets]),
        weights=np.concatenate([graph.weights, (scale * listening.weights).astype(np.float32)]),
    )
    check_graph(joined)
    return joined
