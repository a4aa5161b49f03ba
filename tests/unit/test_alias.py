"""Alias tables hold exactly the distribution they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from songlens_shared.errors import DataError
from songlens_training.embedding.alias import AliasTables, alias_tables

WEIGHTS = st.lists(st.floats(0, 1e6) | st.floats(1e-12, 1e-6), min_size=1, max_size=40).filter(lambda w: sum(w) > 0)


def probabilities(tables: AliasTables, row: int) -> NDArray[np.float64]:
    """Return what drawing from `row` comes to: each slot's kept share, plus what others hand over."""
    low, high = int(tables.starts[row]), int(tables.starts[row + 1])
    keep, other = tables.keep[low:high].astype(np.float64), tables.other[low:high]
    return (keep + np.bincount(other, 1 - keep, high - low)) / (high - low)


@settings(deadline=None)  # the first call compiles
@given(st.lists(WEIGHTS, min_size=1, max_size=5))
def test_each_row_has_its_own_distribution(rows: list[list[float]]) -> None:
    """Every row's table gives each outcome its share of that row's weight, to float32 precision."""
    starts = np.cumsum([0, *map(len, rows)])
    tables = alias_tables(np.concatenate(rows), starts)
    for number, weights in enumerate(rows):
        expected = np.array(weights) / np.sum(weights)
        np.testing.assert_allclose(probabilities(tables, number), expected, atol=1e-6)


def test_a_weight_of_zero_is_never_drawn() -> None:
    """A slot without weight keeps nothing and is nobody's other outcome."""
    tables = alias_tables(np.array([0.0, 3.0, 0.0, 1.0]), np.array([0, 4]))
    assert probabilities(tables, 0)[[0, 2]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_bad_weights_are_refused(bad: float) -> None:
    """A negative or non-finite weight is a DataError and no silent nonsense."""
    with pytest.raises(DataError, match="finite and not negative"):
        alias_tables(np.array([1.0, bad]), np.array([0, 2]))
