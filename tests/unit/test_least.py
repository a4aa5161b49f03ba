"""The least of each row, found by groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songlens_workers.songs.least import least


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(0, 4),
    width=st.integers(1, 3000),
    share=st.floats(0.001, 1),
    levels=st.sampled_from([2, 50, 10**6]),
    seed=st.integers(0, 999),
)
def test_what_sorting_gives(rows: int, width: int, share: float, levels: int, seed: int) -> None:
    """Distinct columns with the scores that come first when all are sorted, whatever ties there are."""
    count = max(1, int(share * width))
    scores = np.random.default_rng(seed).integers(0, levels, (rows, width)).astype(np.float64)
    columns = least(scores, count)
    assert columns.shape == (rows, count)
    assert all(len(set(row)) == count for row in columns.tolist())
    found = np.sort(np.take_along_axis(scores, columns, axis=1), axis=1)
    np.testing.assert_array_equal(found, np.sort(scores, axis=1)[:, :count])


@pytest.mark.parametrize("place", [0, 63, 64, 6399, 6400, 6420])
def test_no_column_is_left_out(place: int) -> None:
    """The first and last of a group, and those after the last whole group."""
    scores = np.ones((2, 6421))
    scores[1, place] = 0
    assert place in least(scores, 3)[1]
