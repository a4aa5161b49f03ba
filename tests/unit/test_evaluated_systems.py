"""The systems that are compared recommend what their definitions say."""

from __future__ import annotations

import numpy as np
import pytest

from songlens_shared.errors import ConfigError
from songlens_training.evaluate.systems import (
    LIST_LENGTH,
    NO_SONG,
    KeywordMatching,
    Proposed,
    Retrieval,
    any_song,
    draw,
    popular,
)
from songlens_workers.songs.ranker import SongRanker, pick


def generator(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_draws_are_fair_in_choice_and_order() -> None:
    """Each of 13 songs is at each of the ten places equally often, and no list holds a song twice."""
    lists = draw(np.arange(100, 113), 26_000, generator())
    assert all(len(set(row)) == LIST_LENGTH for row in lists[:2000].tolist())
    for place in range(LIST_LENGTH):
        counts = np.bincount(lists[:, place] - 100, minlength=13)
        assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)


def test_pairs_are_drawn_fairly() -> None:
    """Every pair of 12 songs is left out together equally often: choices are not fair one by one only."""
    lists = draw(np.arange(12), 22_000, generator())
    left_out = [tuple(sorted(set(range(12)) - set(row))) for row in lists.tolist()]
    counts = np.array([left_out.count(pair) for pair in sorted(set(left_out))])
    assert len(counts) == 66
    assert np.abs(counts - 22_000 / 66).max() < 5 * np.sqrt(22_000 / 66)


def test_a_pool_smaller_than_a_list_is_given_whole() -> None:
    """Four songs fill four places; of an empty pool nothing is drawn."""
    lists = draw(np.arange(4), 50, generator())
    assert all(sorted(row) == [0, 1, 2, 3] for row in lists[:, :4].tolist())
    assert (lists[:, 4:] == NO_SONG).all()
    assert (draw(np.arange(0), 3, generator()) == NO_SONG).all()


def test_the_proposed_system_is_the_one_that_serves() -> None:
    """Its lists are those of ranking and picking each request by itself, as the song stage does."""
    random = generator(4)
    songs = random.standard_normal((60, 8)).astype(np.float32)
    images = random.standard_normal((20, 8)).astype(np.float32)
    neighbours = np.stack([random.permutation(20)[:7] for _ in range(15)])
    retrieval = Retrieval(images_k=4, songs_per_image=3)
    [lists] = Proposed(images, SongRanker(songs), retrieval).recommend(neighbours, 9, random)
    for row, own in zip(neighbours, lists.tolist(), strict=True):
        distances, positions = SongRanker(songs).nearest(images[row[:4]], 10)
        assert own == [chosen.song for chosen in pick(distances, positions, top_k=10, songs_per_image=3)]


def test_a_small_catalogue_gives_short_lists() -> None:
    """Six songs and one image: six songs come back, and nothing is made up."""
    vectors = generator().standard_normal((6, 4)).astype(np.float32)
    [[own]] = Proposed(vectors[:1], SongRanker(vectors), Retrieval()).recommend(np.array([[0]]), 1, generator())
    assert sorted(own[:6].tolist()) == list(range(6)) and (own[6:] == NO_SONG).all()


def test_keyword_matching_draws_among_the_songs_of_the_nearest_image() -> None:
    """The keyword of the nearest image alone decides; a keyword that no lyrics contain brings nothing."""
    pools = {"雪": np.arange(0, 30, dtype=np.int32), "海": np.arange(50, 55, dtype=np.int32)}
    system = KeywordMatching(["雪", "海", "无"], pools)
    lists = system.recommend(np.array([[0, 1], [1, 0], [2, 0], [0, 2]]), 300, generator())
    assert lists.shape == (300, 4, 10)
    assert set(np.unique(lists[:, 0])) == set(range(30)) == set(np.unique(lists[:, 3]))
    assert set(np.unique(lists[:, 1])) == {NO_SONG, *range(50, 55)}
    assert (lists[:, 2] == NO_SONG).all()
    assert not np.array_equal(lists[0, 0], lists[1, 0])


def test_pop_draws_from_the_hundred_most_popular() -> None:
    """Of 150 songs with a popularity and some without, the hundred most popular are drawn, each at some time."""
    popularity = [None if song % 4 == 3 else float(song % 200) for song in range(200)]
    pop = popular(popularity)
    assert not isinstance(pop, str)
    known = [song for song in range(200) if popularity[song] is not None]
    assert set(np.unique(pop.recommend(np.zeros((50, 1), np.int64), 20, generator()))) == set(known[-100:])


def test_without_popularity_there_is_a_reason() -> None:
    """No popularity at all, or too few to fill a list."""
    assert popular([None, None]) == "no song has a popularity"
    assert popular([1.0] * 9 + [None]) == "only 9 of 10 songs have a popularity"


def test_random_draws_from_all_songs() -> None:
    """Every song comes up, for every query image anew."""
    lists = any_song(40).recommend(np.zeros((30, 1), np.int64), 4, generator())
    assert lists.shape == (4, 30, 10) and set(np.unique(lists)) == set(range(40))


def test_impossible_retrievals_are_refused() -> None:
    """The bounds are those of requests."""
    for retrieval in (Retrieval(images_k=0), Retrieval(images_k=101), Retrieval(songs_per_image=51)):
        with pytest.raises(ConfigError, match="images_k must be 1-100"):
            retrieval.check()
    assert str(Retrieval(images_k=3, songs_per_image=4)) == "3x4"
