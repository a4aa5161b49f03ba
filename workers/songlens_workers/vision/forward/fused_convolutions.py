"""Convolution, bias and ReLU in one kernel, where cuDNN has one.

Apart, bias and ReLU each read and write the whole map again: for VGG-19 in 16 bits about 120 MB an image, which takes a
GPU more than half as long as the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from songlens_workers.vision.forward.plain_network import PlainNetwork

Operation = Callable[[Tensor, nn.Conv2d], Tensor]


def by_cudnn(maps: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Return relu(convolution(maps)) by cuDNN's fused kernel. Raises `RuntimeError` where it has none."""
    return torch.cudnn_convolution_relu(
        maps,
        convolution.weight,
        convolution.bias,
        convolution.stride,
        cast(tuple[int, ...], convolution.padding),
        convolution.dilation,
        convolution.groups,
    )


class ConvolutionReLU(nn.Module):
    """A convolution and the ReLU after it; as two operations until `operation` is set."""

    operation: Operation | None = None

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps as the two modules did."""
        if self.operation is None:
            return F.relu(self.convolution(maps), inplace=True)
        return self.operation(maps, self.convolution)


def pair_up(network: PlainNetwork) -> list[ConvolutionReLU]:
    """Put each convolution of a network together with its ReLU, in place; return the pairs."""
    pairs = []
    for place, layer in enumerate(network.maps):
        if isinstance(layer, nn.Conv2d):
            pairs.append(ConvolutionReLU(layer))
            network.maps[place] = pairs[-1]
    return pairs


def fuse(network: PlainNetwork, features: Callable[[], Tensor], operation: Operation, *, tolerance: float) -> bool:
    """Let `operation` do the pairs of a network, if it can and comes to the same; return whether it does.

    `features` runs the network on an example and returns (N, D); they may differ by `tolerance` of the longest vector.
    """
    pairs = pair_up(network)
    with torch.inference_mode():
        expected = features()
        for pair in pairs:
            pair.operation = operation
        try:
            difference = (features() - expected).norm(dim=1).max()
            agrees = bool(difference <= tolerance * expected.norm(dim=1).max())
        except RuntimeError:  # as every error of CUDA and cuDNN is
            agrees = False
    if not agrees:
        for pair in pairs:
            pair.operation = None
    return agrees
