"""Metrics are what docs/evaluation.md says, on lists whose values are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from songlens_shared.errors import ConfigError
from songlens_training.evaluate.bootstrap import Bootstrap
from songlens_training.evaluate.metrics import METRICS, KeywordSets, coverage, list_metrics
from songlens_training.evaluate.systems import LIST_LENGTH, NO_SONG


def right(*ranks: int) -> np.ndarray:
    """Return a list of ten that is right at these ranks, counted from 1."""
    return np.isin(np.arange(1, LIST_LENGTH + 1), ranks)


@pytest.mark.parametrize(
    ("ranks", "right_songs", "precision", "hit", "first", "mrr", "recall"),
    [
        ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 10, 1.0, 1.0, 1.0, 1.0, 1.0),
        ((), 50, 0.0, 0.0, 0.0, 0.0, 0.0),
        ((), 0, 0.0, 0.0, 0.0, 0.0, 0.0),
        ((10,), 4, 0.1, 1.0, 0.0, 0.1, 0.25),
        ((2, 5, 9), 12, 0.3, 1.0, 0.0, 0.5, 0.25),
        ((1, 4), 2, 0.2, 1.0, 1.0, 1.0, 1.0),
    ],
)
def test_metrics_of_one_list(
    ranks: tuple[int, ...], right_songs: int, precision: float, hit: float, first: float, mrr: float, recall: float
) -> None:
    """precision@10, hit, precision@1, reciprocal rank and recall@10 by their formulas."""
    found = dict(zip(METRICS, list_metrics(right(*ranks), right_songs).tolist(), strict=True))
    expected = {"precision_at_10": precision, "hit_at_10": hit, "precision_at_1": first, "mrr": mrr}
    assert found == pytest.approx(expected | {"recall_at_10": recall})


def test_many_lists_at_once() -> None:
    """Lists in any arrangement give the values that each gives alone."""
    lists = np.stack([np.stack([right(1), right(2, 3)]), np.stack([right(), right(10)])])  # (2, 2, 10)
    together = list_metrics(lists, 7)
    alone = [[list_metrics(own, 7) for own in row] for row in lists]
    np.testing.assert_array_equal(together, alone)


def test_coverage_counts_songs_once_in_each_repeat() -> None:
    """Two of four songs in the first repeat, three in the second; empty places are no songs."""
    lists = np.full((2, 2, 10), NO_SONG)
    lists[0, 0, :2] = lists[0, 1, :2] = (0, 3)
    lists[1, 0, :2], lists[1, 1, :2] = (0, 1), (0, 2)
    assert coverage(lists, 4) == pytest.approx((0.5 + 0.75) / 2)


def test_diversity_is_one_minus_mean_jaccard() -> None:
    """{雪} against {雪, 山} is 1/2 alike, against {海} not at all; more keywords than one machine word holds."""
    keywords = [["雪"], ["雪", "山"], ["海"], [f"词{number}" for number in range(200)]]
    sets = KeywordSets(keywords)
    lists = np.full((4, 10), NO_SONG)
    lists[0, :3] = (0, 1, 2)
    lists[1, :2] = (0, 0)
    lists[2, :1] = (0,)
    lists[3, :2] = (2, 3)
    np.testing.assert_allclose(sets.diversity(lists), [(0.5 + 1 + 1) / 3, 0, 0, 1])


def test_songs_without_keywords_are_alike() -> None:
    """Two empty sets do not differ, and one empty set differs from any other."""
    sets = KeywordSets([[], [], ["雪"]])
    lists = np.full((2, 10), NO_SONG)
    lists[0, :2], lists[1, :2] = (0, 1), (0, 2)
    np.testing.assert_array_equal(sets.diversity(lists), [0, 1])


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Of 90 % intervals of the mean of 80 coin tosses, about 90 % hold the coin's own chance."""
    random = np.random.default_rng(5)
    tosses = (random.random((80, 400)) < 0.3).astype(float)
    intervals = Bootstrap(80, resamples=1000, seed=1, confidence=0.9).intervals(tosses)
    covered = np.mean([interval.low <= 0.3 <= interval.high for interval in intervals])
    assert 0.84 <= covered <= 0.94


def test_an_interval_is_that_of_the_normal_law() -> None:
    """For many query images the percentile interval comes to mean +- 1.96 standard errors."""
    values = np.random.default_rng(2).normal(3, 2, (2000, 1))
    [interval] = Bootstrap(2000, resamples=4000, seed=3).intervals(values)
    error = values.std() / np.sqrt(2000)
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_differences_are_resampled_in_pairs() -> None:
    """Two values that always differ by the same differ for sure, however much both vary with the query image."""
    values = np.random.default_rng(2).normal(0, 9, (50, 1))
    [interval] = Bootstrap(50, resamples=1000, seed=1).intervals((values + 0.25) - values)
    assert interval == pytest.approx((0.25, 0.25, 0.25))


def test_resamples_depend_on_the_seed_alone() -> None:
    """The same seed gives the same interval whatever is measured beside it; another seed gives another."""
    values = np.random.default_rng(2).random((60, 3))
    one = Bootstrap(60, resamples=1000, seed=1)
    assert one.intervals(values)[2] == pytest.approx(one.intervals(values[:, 2:])[0])
    assert one.intervals(values)[2] != Bootstrap(60, resamples=1000, seed=2).intervals(values)[2]


def test_impossible_intervals_are_refused() -> None:
    """Too few resamples for the tails, and a confidence that is none."""
    with pytest.raises(ConfigError, match="at least 1000"):
        Bootstrap(10, resamples=999, seed=1)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Bootstrap(10, resamples=1000, seed=1, confidence=95)
