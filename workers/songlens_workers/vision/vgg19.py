"""VGG-19, the backbone of the method: the second fully-connected layer, 4096-d.

Architecture: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
configuration E, as torchvision has it. Weights: torchvision's `VGG19_Weights.IMAGENET1K_V1`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from songlens_workers.vision.backbone import DownloadProgress
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.preprocess import Preprocessing
from songlens_workers.vision.torch_backbone import TorchBackbone, find_device
from songlens_workers.vision.unproven import UnprovenBackbone, assemble
from songlens_workers.vision.weights import VGG19_FILE, cache_folder, download_weights, fill, read_weights

NAME = "vgg19"
DIMENSIONS = 4096
WEIGHTS_URL = f"https://download.pytorch.org/models/{VGG19_FILE}"

# `VGG19_Weights.IMAGENET1K_V1.transforms()`, its mean and std times 255.
PREPROCESSING = Preprocessing(
    resize=256,
    crop=224,
    interpolation="bilinear",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
)

_SIDE_BEFORE_FC1 = 7
_CLASSES = 1000

# Channels of the convolutions, all 3 x 3; after each of the five groups the maps are halved.
_GROUPS = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)


class VGG19(nn.Module):
    """The network; its parts bear the names of torchvision's, whose import takes longer than torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*_features())
        self.classifier = nn.Sequential(
            nn.Linear(_GROUPS[-1][-1] * _SIDE_BEFORE_FC1**2, DIMENSIONS),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(DIMENSIONS, DIMENSIONS),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(DIMENSIONS, _CLASSES),
        )

    def to_fc2(self) -> PlainNetwork:
        """Return the network up to and with the activation of the second fully-connected layer."""
        maps = [layer for layer in self.features if isinstance(layer, nn.Conv2d | nn.MaxPool2d)]
        connected = [layer for layer in self.classifier if isinstance(layer, nn.Linear)]
        return PlainNetwork(maps, connected[:2])


def _features() -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels_in = 3
    for group in _GROUPS:
        for channels in group:
            layers += [nn.Conv2d(channels_in, channels, kernel_size=3, padding=1), nn.ReLU()]
            channels_in = channels
        layers.append(nn.MaxPool2d(2))
    return layers


def load(
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    calibration: Path | None = None,
    building: bool = False,
    progress: DownloadProgress | None = None,
    url: str = WEIGHTS_URL,
) -> TorchBackbone | UnprovenBackbone:
    """Load VGG-19 from a weights file in torchvision's format; without one, from `url` or torch's cache of it.

    Raises `WeightsUnavailable`, `WeightsDamaged` or `ConfigError`, as `load_backbone` says.
    """
    target = find_device(device)
    path = weights if weights is not None else download_weights(url, cache_folder(), progress)
    state, sha256 = read_weights(path)
    # On the meta device 143.7 million parameters are neither allocated nor initialised only to be replaced.
    with torch.device("meta"):
        network = VGG19()
    fill(network, state, path)
    return assemble(
        network.to_fc2(),
        target,
        precision,
        calibration,
        building,
        name=NAME,
        dimensions=DIMENSIONS,
        preprocessing=PREPROCESSING,
        weights_sha256=sha256,
    )
