"""From the rows of a log to weighted edges of the graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_listening import log

from songlens_shared.errors import ConfigError, DataError
from songlens_training.embedding.users import with_user_vectors
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, Vertex, VertexType, build_graph
from songlens_training.graph.listening import Listening, weigh, with_listening
from songlens_training.graph.listening_options import ListeningOptions, Weighting, check_options

ALL = ListeningOptions(min_songs=1)
SONGS = frozenset("01234567")
DAY_S = 86_400.0
NEWEST_S = 1.7e9


def weights_of(listening: Listening) -> dict[tuple[str, str], float]:
    rows = zip(listening.user_of, listening.song_of, listening.weights, strict=True)
    return {(listening.users[user], listening.songs[song]): weight for user, song, weight in rows}


def test_repeated_pairs_sum_and_weigh_by_the_logarithm() -> None:
    """The rows of one user and song are one edge of ln(1 + sum of plays)."""
    listening = weigh(log([1, 2, 1], [3, 3, 3], [2, 1, 5]), SONGS, ALL)
    assert weights_of(listening) == pytest.approx({("1", "3"): np.log(8), ("2", "3"): np.log(2)})
    assert listening.left_out.users_with_few_songs == 0


@pytest.mark.parametrize(
    ("weighting", "weight"), [(Weighting.LOG, np.log(8)), (Weighting.PLAYS, 7.0), (Weighting.ONCE, 1.0)]
)
def test_weightings(weighting: Weighting, weight: float) -> None:
    """ln(1 + plays), the plays themselves, or 1."""
    listening = weigh(log([1], [3], [7]), SONGS, replace(ALL, weighting=weighting))
    assert weights_of(listening) == pytest.approx({("1", "3"): weight})


def test_older_plays_weigh_less() -> None:
    """A play loses half its weight in each half-life, counted back from the newest row, before plays are summed."""
    ages = [0, 10, 20, 5]
    plays = log([1, 1, 2, 3], [3, 3, 3, 4], [1, 1, 8, 1], [NEWEST_S - DAY_S * age for age in ages])
    fading = weights_of(weigh(plays, SONGS, replace(ALL, half_life_days=10)))
    expected = {("1", "3"): 1 + 0.5, ("2", "3"): 8 * 0.25, ("3", "4"): 0.5**0.5}
    assert fading == pytest.approx({pair: np.log1p(count) for pair, count in expected.items()})
    lasting = weights_of(weigh(plays, SONGS, ALL))
    assert lasting == pytest.approx({("1", "3"): np.log(3), ("2", "3"): np.log(9), ("3", "4"): np.log(2)})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 400)), min_size=1, max_size=30))
def test_the_log_decides_not_the_day(rows: list[tuple[int, int, int]]) -> None:
    """Years later, and in any order of its rows, the same log gives the same weights."""
    users, songs, ages = map(list, zip(*rows, strict=True))
    options = replace(ALL, half_life_days=30)
    times_s = [NEWEST_S - DAY_S * age for age in ages]
    first = weigh(log(users, songs, [1] * len(rows), times_s), SONGS, options)
    later = [time_s - 5 * 365 * DAY_S for time_s in times_s][::-1]
    second = weigh(log(users[::-1], songs[::-1], [1] * len(rows), later), SONGS, options)
    assert weights_of(second) == pytest.approx(weights_of(first))
    assert first.left_out == second.left_out


def test_what_has_faded_is_left_out() -> None:
    """A play of many half-lives ago makes no edge of no weight; it is counted."""
    plays = log([1, 1], [3, 4], [1, 1], [NEWEST_S, NEWEST_S - 3000 * DAY_S])
    listening = weigh(plays, SONGS, replace(ALL, half_life_days=1))
    assert set(weights_of(listening)) == {("1", "3")}
    assert listening.left_out.pairs_faded == 1


def test_songs_without_keyword_and_users_with_few_songs_are_left_out() -> None:
    """What has no place in the model is counted; songs without one do not help a user over the limit."""
    plays = log([1, 1, 1, 2, 2, 3], [1, 2, 3, 1, 9, 1], [1] * 6)
    listening = weigh(plays, SONGS, ListeningOptions(min_songs=2))
    assert listening.users == ["1"]
    assert set(weights_of(listening)) == {("1", "1"), ("1", "2"), ("1", "3")}
    assert (listening.left_out.pairs_without_keyword, listening.left_out.users_with_few_songs) == (1, 2)
    with pytest.raises(DataError, match="no user with 4 songs"):
        weigh(plays, SONGS, ListeningOptions(min_songs=4))
    with pytest.raises(DataError, match="no user with 1 songs"):
        weigh(plays, frozenset("8"), ALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"half_life_days": 0.0}, "half-life"),
        ({"half_life_days": -1.0}, "half-life"),
        ({"half_life_days": float("nan")}, "half-life"),
        ({"half_life_days": float("inf")}, "half-life"),
        ({"min_songs": 0}, "at least 1"),
        ({"strength": 0.0}, "strength"),
        ({"strength": float("inf")}, "strength"),
        ({"strength": float("nan")}, "strength"),
    ],
)
def test_options_out_of_range(change: dict[str, Any], message: str) -> None:
    """Each is a ConfigError by name."""
    check_options(ListeningOptions())
    with pytest.raises(ConfigError, match=message):
        check_options(ListeningOptions(**change))


@pytest.fixture
def graph() -> Graph:
    """Three songs and an image on two keywords."""
    songs = {"1": {"雪": 2.0}, "2": {"雪": 0.5, "山": 0.5}, "3": {"山": 1.0}}
    return build_graph({VertexType.SONG: songs, VertexType.IMAGE: {"i": {"雪": 1.0}}})


@pytest.mark.parametrize("strength", [0.01, 0.2, 3.0])
def test_listening_has_its_strength(graph: Graph, strength: float) -> None:
    """The new edges have that part of the mean weight of the others, which stay as they were."""
    listening = weigh(log([7, 7, 8], [1, 3, 3], [1, 3, 1]), SONGS, ALL)
    joined = with_listening(graph, listening, strength)
    old, new = joined.weights[: len(graph.weights)], joined.weights[len(graph.weights) :]
    assert new.mean() / old.mean() == pytest.approx(strength)
    assert new / new[0] == pytest.approx(listening.weights / listening.weights[0])
    assert old.tobytes() == graph.weights.tobytes()
    assert joined.vertices[: len(graph.vertices)] == graph.vertices
    assert joined.vertices[len(graph.vertices) :] == (Vertex(VertexType.USER, "7"), Vertex(VertexType.USER, "8"))
    ends = zip(joined.sources[-3:], joined.targets[-3:], strict=True)
    assert [(joined.vertices[a].key, joined.vertices[b].key) for a, b in ends] == [("7", "1"), ("7", "3"), ("8", "3")]


def test_a_song_that_is_not_in_the_graph_is_named(graph: Graph) -> None:
    """Listening that was weighed against other songs does not end at some other vertex."""
    with pytest.raises(DataError, match="'6' has no vertex"):
        with_listening(graph, weigh(log([7, 7], [1, 6], [1, 1]), SONGS, ALL), 0.2)


def test_user_vectors_are_their_contexts_at_the_length_of_songs() -> None:
    """Users get their context's direction and the songs' length; no other vector and no context changes a bit."""
    random = np.random.default_rng(1)
    kinds = [VertexType.KEYWORD, VertexType.SONG, VertexType.SONG, VertexType.USER, VertexType.IMAGE, VertexType.USER]
    vectors, contexts = random.normal(size=(2, 6, 4)).astype(np.float32)
    contexts[5] = 0
    given_vectors = vectors.copy()
    vertices = [Vertex(kind, str(row)) for row, kind in enumerate(kinds)]
    found = with_user_vectors(Embedding(vertices=vertices, vectors=vectors, contexts=contexts))
    length = np.linalg.norm(vectors[[1, 2]], axis=1).mean()
    assert found.vectors[3] == pytest.approx(contexts[3] / np.linalg.norm(contexts[3]) * length, rel=1e-5)
    assert found.vectors[5].tolist() == [0, 0, 0, 0]
    assert found.vectors.dtype == np.float32
    others = [0, 1, 2, 4]
    assert found.vectors[others].tobytes() == given_vectors[others].tobytes()
    assert vectors.tobytes() == given_vectors.tobytes()
    assert found.contexts.tobytes() == contexts.tobytes()
