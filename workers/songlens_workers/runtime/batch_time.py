"""How long a batch takes: seconds = per item x items + fixed, learned from the batches that have run.

Pure: sizes and seconds go in, the two parts come out.
"""

from __future__ import annotations

_FORGET = 0.95
"""Weight of a batch once another has run: what counts is the last twenty or so."""

_CLIP = 2.0
"""A batch counts as at most this much slower or faster than was expected of it."""

_FIXED_ITEMS = 1.0
"""How many items the fixed part is worth, until batches of two sizes have shown it."""

_TRUST_RATIO = 0.05
"""How much the known ratio of the two parts weighs, in batches."""

_LEAST_SPREAD = 0.1
"""How far sizes must differ to show the ratio: their standard deviation to their mean."""

_LEAST_S = 1e-9
"""What a batch takes at least, on a clock that did not move: relative errors need something to be relative to."""

_SETTLED = 5.0
"""Before about so many batches have run, what is quicker than expected is believed at once."""


class BatchTime:
    """A line through sizes and seconds, fitted by least squares of relative errors that forget.

    - Batches of one size say nothing about the ratio of the two parts. They change both alike, and the ratio stays what
      other sizes have shown before.
    - A batch that was held up, as by a model that is swapped, counts as twice what was expected at most, and so moves
      the line by a twentieth; a device that stays slower or faster is followed within some forty batches.
    - The first batches of a process are slow: the first quicker one outweighs them.
    """

    def __init__(self, largest: int) -> None:
        """`largest` is the size that no batch is over."""
        self._largest = largest
        self._fixed_s = 0.0
        self._slope_s = 0.0  # what a batch of the largest size takes beyond the fixed part
        # Weighted sums over batches, with x the size as a share of the largest, and y the seconds.
        self._count = self._w = self._wx = self._wxx = self._wy = self._wxy = 0.0
        ratio = _FIXED_ITEMS / largest
        self._ratio = (1 / (1 + ratio), ratio / (1 + ratio))

    @property
    def known(self) -> bool:
        """Whether any batch has run."""
        return self._count > 0

    @property
    def item_s(self) -> float:
        """Seconds that each item adds; 0 or more."""
        return self._slope_s / self._largest

    @property
    def fixed_s(self) -> float:
        """Seconds that a batch takes however small it is; 0 or more."""
        return self._fixed_s

    def seconds(self, items: int) -> float:
        """Return how long a batch of so many is expected to take."""
        return self.item_s * items + self._fixed_s

    def observe(self, items: int, seconds: float) -> None:
        """Learn from a batch of so many items that took so long."""
        x, y, expected = items / self._largest, max(seconds, _LEAST_S), max(self.seconds(items), _LEAST_S)
        if self._count > _SETTLED:
            y = min(max(y, expected / _CLIP), expected * _CLIP)
            self._add(x, y, 1 / expected**2)
        else:
            y = min(y, expected * _CLIP) if self.known else y
            self._add(x, y, 1 / y**2)
        self._solve()

    def _add(self, x: float, y: float, weight: float) -> None:
        self._count = self._count * _FORGET + 1
        self._w = self._w * _FORGET + weight
        self._wx = self._wx * _FORGET + weight * x
        self._wxx = self._wxx * _FORGET + weight * x * x
        self._wy = self._wy * _FORGET + weight * y
        self._wxy = self._wxy * _FORGET + weight * x * y

    def _solve(self) -> None:
        """Minimise sum w (slope x + fixed - y)^2 + trust (share' slope m - share fixed)^2.

        m is the mean of x; share and share' are the parts of a batch of that size that the known ratio gives to items
        and to the batch itself.
        """
        slope, fixed = self._ratio
        mean = self._wx / self._w
        share = slope * mean / (slope * mean + fixed)
        trust = _TRUST_RATIO * self._w / self._count
        xx = self._wxx + trust * ((1 - share) * mean) ** 2
        x1 = self._wx - trust * (1 - share) * mean * share
        one = self._w + trust * share**2
        determinant = xx * one - x1 * x1
        self._slope_s = (self._wxy * one - self._wy * x1) / determinant
        self._fixed_s = (self._wy * xx - self._wxy * x1) / determinant
        if self._slope_s < 0:
            self._slope_s, self._fixed_s = 0.0, self._wy / self._w
        elif self._fixed_s < 0:
            self._slope_s, self._fixed_s = self._wxy / self._wxx, 0.0
        if self._wxx * self._w - self._wx**2 > (_LEAST_SPREAD * self._wx) ** 2:
            both = self._slope_s + self._fixed_s
            self._ratio = (self._slope_s / both, self._fixed_s / both)
