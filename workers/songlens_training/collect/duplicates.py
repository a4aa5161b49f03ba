"""Images that show the same: equal content, or perceptual hashes a few bits apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from songlens_shared.errors import ConfigError
from songlens_training.collect.checks import CheckedImage

DEFAULT_RADIUS_BITS = 4


class DistinctImages:
    """Numbers the distinct images among those that are added, in the order in which they come.

    Two images show the same when their content is equal or their perceptual hashes differ in at most `radius_bits` of
    64 bits; with None only equal content counts. An image is compared with the first of each kind, so that the
    result depends on the order alone. Raises `ConfigError` when the radius is out of range.
    """

    def __init__(self, radius_bits: int | None) -> None:
        if radius_bits is not None and not 0 <= radius_bits <= 32:
            raise ConfigError("Near duplicates differ in 0 to 32 of 64 bits.")
        self._radius_bits = radius_bits
        self._by_content: dict[str, int] = {}
        self._hashes: npt.NDArray[np.uint64] = np.zeros(64, np.uint64)
        self._numbers: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        """How many distinct images there are."""
        return self._count

    def add(self, image: CheckedImage) -> int:
        """Return the number of the image that shows the same, or the next number for a new one."""
        known = self._by_content.get(image.sha256)
        if known is None:
            known = self._nearest(image.perceptual_hash)
        if known is None:
            known = self._count
            self._count += 1
            self._keep(image.perceptual_hash, known)
        self._by_content[image.sha256] = known
        return known

    def _nearest(self, perceptual_hash: int | None) -> int | None:
        if perceptual_hash is None or self._radius_bits is None or not self._numbers:
            return None
        kept = self._hashes[: len(self._numbers)]
        distances = np.bitwise_count(kept ^ np.uint64(perceptual_hash))  # (kept,)
        nearest = int(distances.argmin())
        return self._numbers[nearest] if distances[nearest] <= self._radius_bits else None

    def _keep(self, perceptual_hash: int | None, number: int) -> None:
        if perceptual_hash is None:
            return
        if len(self._numbers) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._numbers)] = perceptual_hash
        self._numbers.append(number)
