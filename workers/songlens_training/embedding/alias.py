"""Alias tables: draw from a discrete distribution in constant time.

Walker's method as built by Vose, "A linear algorithm for generating random numbers with a given
distribution" (IEEE Transactions on Software Engineering, 1991). Many tables lie in one flat array, one
for each row of a CSR matrix, so that a graph of ten million edges needs two arrays and no Python objects.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError
from songlens_training.jit import compiled


class AliasTables(NamedTuple):
    """One alias table for each row; row r lies in `starts[r]:starts[r + 1]`.

    To draw from a row, take one of its slots i evenly and a number u in [0, 1): the outcome is i when
    u < keep[i], else other[i]. Outcomes are positions within the row.
    """

    starts: NDArray[np.int64]
    """(R + 1,)"""
    keep: NDArray[np.float32]
    """(N,) probability of keeping the slot."""
    other: NDArray[np.int32]
    """(N,) outcome otherwise."""


def alias_tables(weights: NDArray[np.float64], starts: NDArray[np.int64]) -> AliasTables:
    """Return the tables of the distributions proportional to `weights` (N,) within each row of `starts`.

    A row whose weights are all zero gets a table that keeps every slot, so it must never be drawn from.
    Raises `DataError` for a negative or non-finite weight.
    """
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise DataError("Sampling weights must be finite and not negative.")
    keep = np.ones(len(weights), dtype=np.float32)
    other = np.empty(len(weights), dtype=np.int32)
    _fill_rows(weights.astype(np.float64, copy=False), starts.astype(np.int64, copy=False), keep, other)
    return AliasTables(starts=starts, keep=keep, other=other)


@compiled
def _fill_rows(
    weights: NDArray[np.float64],
    starts: NDArray[np.int64],
    keep: NDArray[np.float32],
    other: NDArray[np.int32],
) -> None:
    longest = 0
    for row in range(len(starts) - 1):
        longest = max(longest, starts[row + 1] - starts[row])
    shares = np.empty(longest, dtype=np.float64)
    stack = np.empty(longest, dtype=np.int32)
    for row in range(len(starts) - 1):
        low, high = starts[row], starts[row + 1]
        _fill_row(weights[low:high], keep[low:high], other[low:high], shares, stack)


@compiled
def _fill_row(
    weights: NDArray[np.float64],
    keep: NDArray[np.float32],
    other: NDArray[np.int32],
    shares: NDArray[np.float64],
    stack: NDArray[np.int32],
) -> None:
    """Pair slots that have less than an even share with slots that have more.

    Small slots wait at the front of `stack` and large ones at its back, which is room enough for all.
    """
    count = len(weights)
    total = 0.0
    for slot in range(count):
        other[slot] = slot
        total += weights[slot]
    if total <= 0.0:
        return
    small, large = 0, count
    for slot in range(count):
        shares[slot] = weights[slot] * count / total
        if shares[slot] < 1.0:
            stack[small] = slot
            small += 1
        else:
            large -= 1
            stack[large] = slot
    while small > 0 and large < count:
        small -= 1
        poor, rich = stack[small], stack[large]
        keep[poor], other[poor] = shares[poor], rich
        shares[rich] -= 1.0 - shares[poor]
        if shares[rich] < 1.0:
            large += 1
            stack[small] = rich
            small += 1
    # What rounding leaves over keeps its own slot: keep is 1 from the start.
