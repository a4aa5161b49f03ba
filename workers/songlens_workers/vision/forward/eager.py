"""The network as torch executes it, operator by operator, channels-last: any network on any device, fp32."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.preprocess import Pixels, Preprocessing


class EagerExecutor:
    """An `Executor` of a network that maps normalised float32 (N, 3, S, S) to float32 (N, D)."""

    precision = "fp32"

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, device: torch.device) -> None:
        self.device = str(device)
        self._network = place(network, device)
        self._mean = _channels(preprocessing.mean, device)
        self._std = _channels(preprocessing.std, device)

    def __call__(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3)."""
        with torch.inference_mode():
            features: Features = self._network(self._normalised(pixels)).float().cpu().numpy()
        return features

    def _normalised(self, pixels: Pixels) -> Tensor:
        """Return float32 (N, 3, S, S). Bytes travel to the device, a quarter of what floats would take.

        (N, S, S, 3) in memory is exactly torch's channels-last layout, so that the permutation moves nothing and the
        convolutions take their fastest path (1.4 to 1.7 times the throughput of NCHW on a CPU).
        """
        batch = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(self.device)
        batch = batch.permute(0, 3, 1, 2).float()  # (N, 3, S, S)
        return batch.sub_(self._mean).div_(self._std)


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network in evaluation mode, channels-last, on the device."""
    if device.type == "cuda":
        # cuDNN would round convolutions to TF32 on its own: not the precision that the manifest promises.
        torch.backends.cudnn.allow_tf32 = False
    network.requires_grad_(False)
    return network.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _channels(values: tuple[float, float, float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).reshape(1, 3, 1, 1)
