"""The least numbers of each row of a wide matrix, most of which are never sorted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GROUP = 64


def least(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the columns int64 (N, count) of the `count` least scores (N, S) of each row, in any order.

    Columns are put into groups of 64. The least scores lie in the groups whose own least are the least: only those
    groups are looked at again, and reading each score once for its group's least is what it takes.
    """
    rows, width = scores.shape
    groups = width // _GROUP
    if groups <= 2 * count:
        return np.argpartition(scores, count - 1, axis=1)[:, :count]
    grouped = scores[:, : groups * _GROUP].reshape(rows, _GROUP, groups)  # a group: every groups-th column
    best = np.argpartition(grouped.min(axis=1), count - 1, axis=1)[:, :count]  # (N, count)
    members = best[:, :, None] + np.arange(_GROUP) * groups  # (N, count, 64)
    rest = np.broadcast_to(np.arange(groups * _GROUP, width), (rows, width - groups * _GROUP))
    columns = np.concatenate([members.reshape(rows, count * _GROUP), rest], axis=1)
    chosen = np.argpartition(np.take_along_axis(scores, columns, axis=1), count - 1, axis=1)[:, :count]
    return np.take_along_axis(columns, chosen, axis=1)
