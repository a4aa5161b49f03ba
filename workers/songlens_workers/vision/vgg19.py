"""VGG-19, the backbone of the method: the second fully-connected layer, 4096-d.

Architecture: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014,
configuration E, as torchvision has it. Weights: torchvision's `VGG19_Weights.IMAGENET1K_V1`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torchvision.models import VGG19_Weights, vgg19

from songlens_workers.vision.backbone import DownloadProgress
from songlens_workers.vision.forward.choose import choose_executor
from songlens_workers.vision.preprocess import Preprocessing
from songlens_workers.vision.torch_backbone import TorchBackbone, find_device
from songlens_workers.vision.weights import cache_folder, download_weights, fill, read_weights

NAME = "vgg19"
DIMENSIONS = 4096
WEIGHTS_URL: str = VGG19_Weights.IMAGENET1K_V1.url

# `VGG19_Weights.IMAGENET1K_V1.transforms()`, its mean and std times 255.
PREPROCESSING = Preprocessing(
    resize=256,
    crop=224,
    interpolation="bilinear",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
)

# Linear, ReLU, Dropout, Linear, ReLU: the classifier up to and with the activation of its second layer.
_LAYERS_TO_FC2 = 5


def load(
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    progress: DownloadProgress | None = None,
    url: str = WEIGHTS_URL,
) -> TorchBackbone:
    """Load VGG-19 from a weights file in torchvision's format; without one, from `url` or torch's cache of it.

    Raises `WeightsUnavailable`, `WeightsDamaged` or `ConfigError`, as `load_backbone` says.
    """
    target = find_device(device)
    path = weights if weights is not None else download_weights(url, cache_folder(), progress)
    state, sha256 = read_weights(path)
    # On the meta device 143.7 million parameters are neither allocated nor initialised only to be replaced.
    with torch.device("meta"):
        network = vgg19()
    fill(network, state, path)
    network.classifier = network.classifier[:_LAYERS_TO_FC2]
    return TorchBackbone(
        name=NAME,
        executor=choose_executor(network, PREPROCESSING, target, precision),
        dimensions=DIMENSIONS,
        preprocessing=PREPROCESSING,
        weights_sha256=sha256,
    )
