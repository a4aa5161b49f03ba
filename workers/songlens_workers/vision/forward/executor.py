"""How a network is executed: the contract. Importing this brings no torch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.preprocess import Pixels


class Executor(Protocol):
    """One network, placed on one device, in one precision."""

    @property
    def precision(self) -> str:
        """The arithmetic, as the manifest names it: `fp32`."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`, `mps`."""

    def __call__(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3), N at least 1 and of the right shape."""


@runtime_checkable
class WarmsUp(Protocol):
    """An executor whose first batch of a size is slow, unless it is made ready before."""

    def warm_up(self, largest_batch: int) -> None:
        """Make ready for batches of up to `largest_batch` photos."""
