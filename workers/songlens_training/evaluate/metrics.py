"""How good lists of ten songs are. For the formulas see docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from songlens_training.evaluate.systems import LIST_LENGTH, NO_SONG, Positions

PRECISION, HIT, FIRST, MRR, RECALL = "precision_at_10", "hit_at_10", "precision_at_1", "mrr", "recall_at_10"
METRICS = (PRECISION, HIT, FIRST, MRR, RECALL)

_BLOCK_LISTS = 4096


def list_metrics(right: NDArray[np.bool_], right_songs: int) -> NDArray[np.float64]:
    """Return float64 (..., M), the `METRICS` of each list in their order.

    `right`: bool (..., 10), whether the song at each rank is right; `right_songs`: how many songs of the catalogue are.
    Where none is, every metric is 0.
    """
    found = right.sum(axis=-1)
    any_right = found > 0
    first = right.argmax(axis=-1)
    return np.stack(
        [
            found / LIST_LENGTH,
            any_right.astype(np.float64),
            right[..., 0].astype(np.float64),
            np.where(any_right, 1 / (first + 1), 0.0),
            found / max(right_songs, 1),
        ],
        axis=-1,
    )


def coverage(lists: Positions, songs: int) -> float:
    """Return the share of all `songs` that are in some list, (R, Q, 10): the mean over the repeats R."""
    shares = [np.count_nonzero(np.unique(repeat) != NO_SONG) / songs for repeat in lists]
    return float(np.mean(shares))


class KeywordSets:
    """The keywords of every song as bits: S songs x 64-bit words enough for K keywords."""

    def __init__(self, keywords: Sequence[Collection[str]]) -> None:
        """`keywords`: the catalogue keywords of each song."""
        number = {word: bit for bit, word in enumerate(sorted({word for own in keywords for word in own}))}
        self._bits = np.zeros((len(keywords), len(number) // 64 + 1), np.uint64)  # (S, W)
        for song, own in enumerate(keywords):
            for bit in map(number.__getitem__, own):
                self._bits[song, bit // 64] |= np.uint64(1 << bit % 64)

    def diversity(self, lists: Positions) -> NDArray[np.float64]:
        """Return float64 (...,): 1 - the mean Jaccard similarity of the keyword sets over all pairs of songs of a list.

        `lists`: (..., 10). Pairs with `NO_SONG` do not count, two empty sets are alike, and a list without any pair has
        diversity 0.
        """
        flat = lists.reshape(-1, lists.shape[-1])
        blocks = [self._of_block(flat[start : start + _BLOCK_LISTS]) for start in range(0, len(flat), _BLOCK_LISTS)]
        return np.concatenate(blocks).reshape(lists.shape[:-1])

    def _of_block(self, lists: Positions) -> NDArray[np.float64]:
        bits, there = self._bits[lists], lists != NO_SONG  # (B, 10, W), (B, 10)
        distances, pairs = np.zeros(len(lists)), np.zeros(len(lists))
        for one, other in combinations(range(lists.shape[1]), 2):
            shared = np.bitwise_count(bits[:, one] & bits[:, other]).sum(axis=1)
            either = np.bitwise_count(bits[:, one] | bits[:, other]).sum(axis=1)
            counted = there[:, one] & there[:, other]
            distances += np.where(counted & (either > 0), 1 - shared / np.maximum(either, 1), 0.0)
            pairs += counted
        return distances / np.maximum(pairs, 1)
