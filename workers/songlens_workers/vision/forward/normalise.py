"""From decoded pixels to what a network sees."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from songlens_workers.vision.preprocess import Pixels, Preprocessing


class Normaliser:
    """Brings pixels to a device and subtracts mean and divides by standard deviation there."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        self._device = device
        self._mean = channels(preprocessing.mean, device)
        self._std = channels(preprocessing.std, device)

    def __call__(self, pixels: Pixels) -> Tensor:
        """Return float32 (N, 3, S, S) of uint8 (N, S, S, 3). Bytes travel to the device, a quarter of what floats take.

        (N, S, S, 3) in memory is exactly torch's channels-last layout, so that the permutation moves nothing and the
        convolutions take their fastest path (1.4 to 1.7 times the throughput of NCHW on a CPU).
        """
        # Flat in between: a single photo of a reversed batch has a stride that torch refuses.
        flat = np.require(pixels, requirements=["C", "W"]).reshape(-1)
        batch = torch.from_numpy(flat).view(pixels.shape).to(self._device)
        batch = batch.permute(0, 3, 1, 2).float()  # (N, 3, S, S)
        return batch.sub_(self._mean).div_(self._std)


def channels(values: tuple[float, float, float], device: torch.device) -> Tensor:
    """Return one value a channel, float32 (1, 3, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32, device=device).reshape(1, 3, 1, 1)
