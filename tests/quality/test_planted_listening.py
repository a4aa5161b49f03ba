"""Listeners with planted tastes get songs to their taste, as far as the photo leaves a choice, and no others do.

The world is that of `planted_listening.py`. What is measured is the share of the songs of a reply that has what it
should; of taste, among the songs that the listener has not played. Chance is about 1/16 for a theme, 1/20 for a circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from planted_listening import (
    NIGHT,
    Listener,
    Recommender,
    World,
    learned,
    log,
    nearest_songs,
    photo,
    taste_of_new_songs,
)

from songlens_training.catalogue.listening import Plays
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import train_embedding
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import VertexType
from songlens_training.graph.listening import weigh, with_listening
from songlens_training.graph.listening_options import ListeningOptions, Weighting
from songlens_workers.settings import SongsSettings

THEMES = 24
NE = EmbeddingOptions(dimensions=64, samples=600_000, threads=1)
WEIGHT = SongsSettings.model_fields["user_weight"].default
OF_THEMES, OF_CIRCLES = range(0, 120, 2), range(1, 120, 2)
"""Listeners who are asked for."""


@dataclass(frozen=True)
class Planted:
    """A world, its listeners, and what was learned of them."""

    world: World
    listeners: list[Listener]
    plays: Plays
    embedding: Embedding
    recommender: Recommender

    def songs(self, keyword: int | str | None, weight: float) -> dict[int, list[int]]:
        """Return the songs of those who love a theme for a photo with this keyword; None: one of another theme."""
        photos = [photo(other_theme(user) if keyword is None else keyword, user, weight) for user in OF_THEMES]
        return dict(zip(OF_THEMES, self.recommender.songs(photos).tolist(), strict=True))

    def taste(self, songs: dict[int, list[int]]) -> float:
        return taste_of_new_songs(self.world, self.listeners, self.plays, songs)


def other_theme(user: int) -> int:
    """A theme that is not the listener's own."""
    return (user // 2 + 7) % THEMES


@pytest.fixture(scope="module")
def planted() -> Planted:
    world = World.make(songs=3000, themes=THEMES, circles=20, images=10)
    listeners = world.listeners(600)
    plays = world.plays(listeners, rows=[10, 20, 30])
    embedding = learned(world, plays, ListeningOptions(), NE)
    return Planted(world, listeners, plays, embedding, Recommender(embedding))


def test_a_neutral_photo_gets_songs_to_the_taste(planted: Planted) -> None:
    """With the default weight most songs for a neutral photo are to the taste, without it few; all stay neutral."""
    personal = planted.songs(NIGHT, WEIGHT)
    assert planted.taste(planted.songs(NIGHT, 0.0)) <= 0.15
    assert planted.taste(personal) >= 0.75
    assert planted.world.night[list(personal.values())].mean() >= 0.97


def test_a_photo_with_a_theme_keeps_it(planted: Planted) -> None:
    """The default weight chooses among the songs of the photo's theme, and does not replace them."""
    for weight in (0.0, WEIGHT):
        held = [planted.world.themes[row, other_theme(user)] for user, row in planted.songs(None, weight).items()]
        assert np.mean(held) >= 0.98


def test_all_the_weight_is_all_taste(planted: Planted) -> None:
    """At weight 1 the photo does not matter any more."""
    assert planted.taste(planted.songs(None, 1.0)) >= 0.9


def test_no_weight_is_the_papers_method(planted: Planted) -> None:
    """Weight 0 gives a listener exactly the picks, distances included, that the same photo gives to nobody."""
    for_users = planted.recommender.picks([photo(other_theme(user), user, 0.0) for user in OF_THEMES])
    assert for_users == planted.recommender.picks([photo(other_theme(user)) for user in OF_THEMES])


def test_taste_lies_in_the_contexts_of_users(planted: Planted) -> None:
    """What LINE learns as a user's vector says nothing of songs; the context, which becomes the user vector, does."""
    listening = weigh(planted.plays, planted.world.keywords[VertexType.SONG], ListeningOptions())
    as_trained = train_embedding(with_listening(planted.world.graph, listening, ListeningOptions().strength), NE)
    assert planted.taste(nearest_songs(as_trained, OF_THEMES, 60)) <= 0.2
    assert planted.taste(nearest_songs(planted.embedding, OF_THEMES, 60)) >= 0.9


def test_a_taste_that_no_keyword_tells_needs_more_strength(planted: Planted) -> None:
    """Circles are learned from listeners alone: hardly at little strength, where keywords rule, better at much."""

    def found(strength: float) -> float:
        embedding = learned(planted.world, planted.plays, ListeningOptions(strength=strength), NE)
        return planted.taste(nearest_songs(embedding, OF_CIRCLES, 60))

    assert found(0.05) <= 0.15
    assert found(1.0) >= 0.3


def test_old_plays_fade() -> None:
    """Who loved a theme for years and another one lately gets, with a half-life, songs of the later one."""
    world = World.make(songs=1500, themes=12, circles=2, images=5)
    random = np.random.default_rng(8)
    users: list[int] = []
    songs: list[int] = []
    times_s: list[float] = []
    for user in range(60):
        for theme, age_days, rows in ((user % 12, 700, 30), ((user + 5) % 12, 5, 10)):
            users += [user] * rows
            songs += random.choice(np.flatnonzero(world.themes[:, theme]), rows).tolist()
            times_s += [1.7e9 - 86_400 * age_days] * rows
    plays = log(users, songs, [1] * len(users), times_s)
    lately = [Listener((user + 5) % 12, None) for user in range(60)]

    def found(half_life_days: float | None) -> float:
        embedding = learned(world, plays, ListeningOptions(half_life_days=half_life_days), NE)
        return taste_of_new_songs(world, lately, plays, nearest_songs(embedding, range(60), 60))

    assert found(60) >= 0.9
    assert found(None) <= 0.5


@pytest.mark.parametrize("weighting", Weighting)
def test_every_weighting_finds_the_taste(weighting: Weighting) -> None:
    """However plays are weighed, songs to the taste come nearest."""
    world = World.make(songs=1500, themes=12, circles=2, images=5)
    listeners = world.listeners(120)
    plays = world.plays(listeners, rows=[20])
    embedding = learned(world, plays, ListeningOptions(weighting=weighting), NE)
    songs = nearest_songs(embedding, range(0, 120, 2), 60)
    assert taste_of_new_songs(world, listeners, plays, songs) >= 0.8
