"""How batches are cut into the sizes that a GPU is made ready for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_workers.vision.forward.buckets import Piece, bucket_of, pieces

NEVER = 1 << 30


@given(count=st.integers(1, 700), power=st.integers(0, 8), split_from=st.integers(2, 700))
def test_every_photo_is_in_one_piece(count: int, power: int, split_from: int) -> None:
    """Pieces follow on each other, fit into buckets that are powers of two, and waste a quarter of one at most."""
    largest = 1 << power
    found = pieces(count, largest=largest, split_from=split_from)
    assert [piece.start for piece in found] == [0, *(piece.stop for piece in found[:-1])]
    assert found[-1].stop == count
    for piece in found:
        assert 0 < piece.count <= piece.bucket <= largest
        assert piece.bucket & (piece.bucket - 1) == 0
        assert piece.bucket - piece.count <= piece.bucket / 4
    if count >= split_from and largest > 1:
        assert len(found) > 1


@pytest.mark.parametrize(
    ("count", "cut"),
    [
        (1, [(1, 1)]),
        (2, [(2, 2)]),
        (3, [(3, 4)]),
        (5, [(4, 4), (1, 1)]),
        (7, [(7, 8)]),
        (23, [(16, 16), (7, 8)]),
        (24, [(24, 32)]),
        (32, [(32, 32)]),
        (33, [(32, 32), (1, 1)]),
        (64, [(32, 32), (32, 32)]),
        (100, [(64, 64), (32, 32), (4, 4)]),
    ],
)
def test_cuts(count: int, cut: list[tuple[int, int]]) -> None:
    """Photos and bucket of each piece, where batches of 64 and more are split."""
    found = pieces(count, largest=64, split_from=64)
    assert [(piece.count, piece.bucket) for piece in found] == cut


def test_a_batch_that_is_not_split_is_one_piece() -> None:
    """Splitting is what makes two of it."""
    assert pieces(64, largest=64, split_from=NEVER) == [Piece(0, 64, 64)]
    assert pieces(64, largest=64, split_from=64) == [Piece(0, 32, 32), Piece(32, 64, 32)]


def test_buckets_are_powers_of_two() -> None:
    """The smallest that is large enough; at most the largest, which must be a power of two itself."""
    assert [bucket_of(count, 8) for count in (1, 2, 3, 4, 5, 8, 9, 100)] == [1, 2, 4, 4, 8, 8, 8, 8]
    for largest in (0, -2, 3, 48):
        with pytest.raises(ValueError, match=f"must be a power of two; got {largest}"):
            pieces(1, largest=largest, split_from=NEVER)
