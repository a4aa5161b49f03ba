"""On a catalogue whose truth is planted, every system comes out as its definition says it must.

Twelve themes, one word each. The lyrics of a song contain the word of its theme; images and songs of one theme lie
close together, in features and in NE vectors alike. So the proposed system and keyword matching are right, and what
chance and popularity come to can be counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pytest

from songlens_training.catalogue.songs import Song
from songlens_training.evaluate.evaluated import EvaluatedModel, Trial, neighbour_images
from songlens_training.evaluate.evaluation import Cell, Evaluation, EvaluationOptions, evaluate
from songlens_training.evaluate.metrics import HIT, PRECISION
from songlens_training.evaluate.queries import QueryImage
from songlens_training.evaluate.systems import KM, POP, PROPOSED, RANDOM
from songlens_workers.vision.index.flat import FlatImageIndex

WORDS = ("森林", "大海", "雪花", "咖啡", "星空", "月亮", "彩虹", "沙漠", "瀑布", "草原", "城市", "火车")
SONGS, IMAGES, QUERIES = 600, 240, 96
SIMILAR = {word: WORDS[number + 1 :] + WORDS[:number] for number, word in enumerate(WORDS)}
"""The words of all other themes: with n of them, n + 1 themes are right."""


class Listed:
    """A source that knows the themes' words."""

    name = "planted"

    def similar(self, words: Collection[str], limit: int) -> Mapping[str, tuple[str, ...]]:
        return {word: SIMILAR[word][:limit] for word in words}


def popularity(song: int) -> float | None:
    """Songs of the first theme are the most popular: all the hundred but fifty that popularity draws from."""
    return None if song % 5 == 4 else float(song % len(WORDS) == 0) * 100 + song / SONGS


def near(themes: np.ndarray, spread: float, seed: int) -> np.ndarray:
    """Return points (N, 12) around the corner of each theme."""
    noise = np.random.default_rng(seed).normal(0, spread, (len(themes), len(WORDS)))
    return (np.eye(len(WORDS))[themes] + noise).astype(np.float32)


def trial(*, wrong_images: int = 0) -> Trial:
    """Return the planted trial; the first `wrong_images` query images look like the theme after their own."""
    of_song, of_image, of_query = (np.arange(count) % len(WORDS) for count in (SONGS, IMAGES, QUERIES))
    seen = of_query + (np.arange(QUERIES) < wrong_images)
    index = FlatImageIndex.build(near(of_image, 0.1, 1))
    return Trial(
        model=EvaluatedModel(
            songs=[
                Song(id=str(number), title="", artist="", lyrics=f"歌里有{WORDS[theme]}", popularity=popularity(number))
                for number, theme in enumerate(of_song)
            ],
            song_keywords=[[WORDS[theme]] for theme in of_song],
            song_vectors=near(of_song, 0.1, 2),
            image_keywords=[WORDS[theme] for theme in of_image],
            image_vectors=near(of_image, 0.1, 3),
        ),
        queries=[
            QueryImage(id=str(number), path=Path(f"{number}.jpg"), keyword=WORDS[theme])
            for number, theme in enumerate(of_query)
        ],
        neighbours=neighbour_images(index, near(seen % len(WORDS), 0.1, 4), 5),
        about={},
    )


OPTIONS = EvaluationOptions(similar_words=(0, 2, 11), repeats=40, resamples=1000)


@pytest.fixture(scope="module")
def planted() -> Evaluation:
    return evaluate(trial(), [Listed()], OPTIONS)


def value(evaluation: Evaluation, system: str, n: int, metric: str = PRECISION) -> float:
    return evaluation.scores[Cell("planted", system, n, metric)].value


def test_proposed_and_keyword_matching_find_the_truth(planted: Evaluation) -> None:
    """Every song of theirs is right, and the nearest image always has the query image's keyword."""
    assert value(planted, PROPOSED, 0) == value(planted, KM, 0) == planted.nearest_image_right == 1.0
    assert planted.proposed_minus_km[Cell("planted", PROPOSED, 0, PRECISION)] == (0.0, 0.0, 0.0)


def test_chance_comes_to_its_expectation(planted: Evaluation) -> None:
    """1, 3 and 12 of the twelve themes are right; ten of 600 songs miss 50 right ones with a chance that is known."""
    for n, expected in ((0, 1 / 12), (2, 3 / 12), (11, 1.0)):
        assert value(planted, RANDOM, n) == pytest.approx(expected, abs=0.01)
    missed = np.prod([(550 - drawn) / (600 - drawn) for drawn in range(10)])
    assert value(planted, RANDOM, 0, HIT) == pytest.approx(1 - missed, abs=0.02)


def test_popularity_comes_to_its_expectation(planted: Evaluation) -> None:
    """A query image of theme t gets as many right songs as theme t has among the hundred most popular."""
    known = [song for song in range(SONGS) if popularity(song) is not None]
    popular = sorted(known, key=lambda song: -(popularity(song) or 0))[:100]
    share = np.bincount([song % len(WORDS) for song in popular], minlength=len(WORDS)) / 100
    assert share.max() == 0.4
    assert value(planted, POP, 0) == pytest.approx(share.mean(), abs=0.01)
    of_keyword = {own.keyword: own.precision[Cell("planted", POP, 0, PRECISION)] for own in planted.keywords}
    for word, expected in zip(WORDS, share.tolist(), strict=True):
        assert of_keyword[word] == pytest.approx(expected, abs=0.06)


def test_more_similar_words_never_make_less_right(planted: Evaluation) -> None:
    """For every system, and all themes together are always right."""
    for system in planted.systems:
        values = [value(planted, system, n) for n in (0, 2, 11)]
        assert values == sorted(values) and values[-1] == 1.0


def test_photos_that_look_like_another_theme_are_wrong() -> None:
    """A quarter of the query images look like the next theme: a quarter of the songs is wrong, until that theme's word
    counts as similar; their keywords come first among the worst."""
    found = evaluate(trial(wrong_images=24), [Listed()], OPTIONS)
    assert found.nearest_image_right == value(found, PROPOSED, 0) == value(found, KM, 0) == 0.75
    assert found.neighbours_right == [0.75] * 5
    assert value(found, PROPOSED, 2) == value(found, KM, 2) == 1.0
    worst = found.keywords[0]
    assert worst.nearest_image_right == worst.precision[Cell("planted", PROPOSED, 0, PRECISION)] == 0.75
    interval = found.scores[Cell("planted", PROPOSED, 0, PRECISION)]
    assert 0.6 < interval.low < 0.75 < interval.high < 0.9


def test_the_seed_decides_every_figure(planted: Evaluation) -> None:
    """The same seed gives the same figures to the last bit; another one gives other draws."""
    assert evaluate(trial(), [Listed()], OPTIONS) == planted
    other = evaluate(
        trial(), [Listed()], EvaluationOptions(similar_words=(0, 2, 11), repeats=40, resamples=1000, seed=2)
    )
    assert value(other, RANDOM, 0) != value(planted, RANDOM, 0)
    assert value(other, PROPOSED, 0) == value(planted, PROPOSED, 0)
