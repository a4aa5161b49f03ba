"""The contract of every backbone. Importing this brings no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from songlens_workers.vision.preprocess import Pixels, Preprocessing

Features = npt.NDArray[np.float32]
DownloadProgress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all); the total is 0 while it is unknown."""


class Backbone(Protocol):
    """A network that turns photos into vectors whose Euclidean distance tells how alike the photos are."""

    @property
    def name(self) -> str:
        """The name that `load_backbone` loads it by."""

    @property
    def dimensions(self) -> int:
        """D, the length of a feature vector."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What `embed` expects to have been done to a photo."""

    @property
    def weights_sha256(self) -> str:
        """The checksum (64 hexadecimal digits) of the weights; vectors of different weights cannot be compared."""

    @property
    def precision(self) -> str:
        """The arithmetic of the forward pass, `fp32`."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`, `mps`."""

    def embed(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for decoded photos, uint8 (N, S, S, 3); N may be 0.

        A photo's vector does not depend on the others in its batch (beyond rounding, 1e-4).
        Raises `ValueError` for another shape or dtype.
        """
