"""The contract of every backbone. Importing this brings no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from songlens_workers.vision.preprocess import Pixels, Preprocessing

Features = npt.NDArray[np.float32]
DownloadProgress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all); the total is 0 while it is unknown."""


class Calibration(Protocol):
    """A file of a model version, without which an int8 backbone cannot be made again."""

    @property
    def sha256(self) -> str:
        """The checksum of the file."""

    def to_bytes(self) -> bytes:
        """Return the file's content."""


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
        """The arithmetic of the forward pass: `fp32`, `bf16`, `int8`."""

    @property
    def calibration(self) -> Calibration | None:
        """What int8 knows of the data that it was calibrated on; None for other precisions."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`, `mps`."""

    def embed(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for decoded photos, uint8 (N, S, S, 3); N may be 0.

        A photo's vector does not depend on the others in its batch (beyond rounding, 1e-4).
        Raises `ValueError` for another shape or dtype.
        """


@runtime_checkable
class Unproven(Protocol):
    """A backbone in less than fp32 that a model is to be built with: to be calibrated, and compared with fp32."""

    @property
    def reference(self) -> Backbone:
        """The same backbone in fp32."""

    def proven(self, pixels: Pixels) -> Backbone:
        """Return the backbone that embeds, calibrated on uint8 (N, S, S, 3) where its precision asks for that."""
