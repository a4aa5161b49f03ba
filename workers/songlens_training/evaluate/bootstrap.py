"""Percentile bootstrap intervals over query images.

Efron, "Bootstrap methods: another look at the jackknife" (1979). All measured values are resampled together, so that
the difference of two of them is resampled in pairs, query by query.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError

MIN_RESAMPLES = 1000
_BLOCK_COUNTS = 4 << 20


class Interval(NamedTuple):
    """A mean over query images, and between which values it lies."""

    value: float
    low: float
    high: float


class Bootstrap:
    """The means of B resamples of Q query images."""

    def __init__(self, queries: int, *, resamples: int, seed: int, confidence: float = 0.95) -> None:
        """Raises `ConfigError` for fewer than `MIN_RESAMPLES` resamples, or a confidence that is none."""
        if resamples < MIN_RESAMPLES:
            raise ConfigError(f"An interval needs at least {MIN_RESAMPLES} resamples, not {resamples}.")
        if not 0 < confidence < 1:
            raise ConfigError(f"The confidence must be between 0 and 1, not {confidence}.")
        self._queries = queries
        self._resamples = resamples
        self._seed = seed
        self._percentiles = (50 * (1 - confidence), 50 * (1 + confidence))

    def intervals(self, values: NDArray[np.float64]) -> list[Interval]:
        """Return the interval of the mean of each column of `values`, float64 (Q, C).

        Every call draws the same resamples.
        """
        means = self._means(values)  # (B, C)
        low, high = np.percentile(means, self._percentiles, axis=0)
        return [Interval(*row) for row in np.stack([values.mean(axis=0), low, high], axis=1).tolist()]

    def _means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float64 (B, C). How often each query was drawn is all that a mean needs to know of a resample."""
        random = np.random.default_rng(self._seed)
        even = np.full(self._queries, 1 / self._queries)
        means = np.empty((self._resamples, values.shape[1]))
        step = max(1, _BLOCK_COUNTS // self._queries)
        for start in range(0, self._resamples, step):
            counts = random.multinomial(self._queries, even, min(step, self._resamples - start))  # (b, Q)
            means[start : start + step] = counts @ values / self._queries
        return means
