"""A network of VGG's kinds of layers that a test can run in a moment, and photos for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.preprocess import Pixels, Preprocessing

PREPROCESSING = Preprocessing(
    resize=40, crop=32, interpolation="bilinear", mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4)
)


def network() -> PlainNetwork:
    """Return VGG's kinds of layers, small: odd maps before the second pooling, connected layers, seeded weights."""
    maps = [
        nn.Conv2d(3, 16, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, kernel_size=3, padding=1, stride=1),
        nn.Conv2d(32, 32, kernel_size=2),
        nn.MaxPool2d(2),
    ]
    made = PlainNetwork(maps, [nn.Linear(32 * 7 * 7, 64), nn.Linear(64, 48)])
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in made.parameters():
            size = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * size)
    return made.eval().requires_grad_(False)


def photos(count: int, seed: int = 1) -> Pixels:
    """Return coarse coloured noise, which has the large and small shapes of pictures: uint8 (count, 32, 32, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)
