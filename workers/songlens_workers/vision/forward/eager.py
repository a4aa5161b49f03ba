"""The network as torch executes it, operator by operator, channels-last: any network on any device, fp32."""

from __future__ import annotations

import torch
from torch import nn

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.preprocess import Pixels, Preprocessing


class EagerExecutor:
    """An `Executor` of a network that maps normalised float32 (N, 3, S, S) to float32 (N, D)."""

    precision = "fp32"

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, device: torch.device) -> None:
        self.device = str(device)
        self._network = place(network, device)
        self._normalised = Normaliser(preprocessing, device)

    def __call__(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3)."""
        with torch.inference_mode():
            features: Features = self._network(self._normalised(pixels)).float().cpu().numpy()
        return features


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network in evaluation mode, channels-last, on the device."""
    if device.type == "cuda":
        # cuDNN would round convolutions to TF32 on its own: not the precision that the manifest promises.
        torch.backends.cudnn.allow_tf32 = False
    network.requires_grad_(False)
    return network.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
