"""A plain network by oneDNN in int8: activations of one unsigned byte, weights of one signed byte.

Every layer has one level size for its activations, from the calibration, and every output channel one for its weights.
Pixels are bytes already and enter as they are: the first layer's weights and bias hold the normalisation. What pads
them is the mean, to the nearest level. The operators are those that torch's x86 quantiser lowers to, called directly:
nothing is traced or compiled at a worker's start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from songlens_workers.vision.forward.calibration import Calibration
from songlens_workers.vision.forward.fused import has_onednn
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.forward.sequence import Layer, SequenceExecutor
from songlens_workers.vision.preprocess import Pixels, Preprocessing

_LARGEST_WEIGHT = 127
_LEAST = 1e-12
_DILATION = [1, 1]


def can_quantise(device: torch.device) -> bool:
    """Say whether `quantised` runs there: without VNNI instructions int8 would be slow, and its sums could overflow."""
    return device.type == "cpu" and has_onednn() and torch.cpu._is_vnni_supported()


def quantised(network: PlainNetwork, preprocessing: Preprocessing, calibration: Calibration) -> SequenceExecutor:
    """Return the executor. It keeps its own copy of the weights: the network may be dropped."""
    ends = _ends(calibration)
    with torch.inference_mode():
        return SequenceExecutor(
            precision="int8",
            entry=_entry(network, preprocessing),
            value_bytes=1,
            maps=_maps(network, preprocessing, ends),
            connected=[_connected(layer, next(ends)) for layer in network.linears()],
            rest=network.rest,
            calibration=calibration,
        )


@dataclass(frozen=True)
class _Ends:
    """The value of one level before a layer and after it."""

    taken: float
    made: float | None
    """None for the last layer, which makes float32."""

    @property
    def output(self) -> tuple[float, int, torch.dtype]:
        """Return how oneDNN is to write what the layer makes: level, zero point, type."""
        return (1.0, 0, torch.float32) if self.made is None else (self.made, 0, torch.uint8)


def _ends(calibration: Calibration) -> Iterator[_Ends]:
    before = (1.0, *calibration.scales)
    after = (*calibration.scales, None)
    return (_Ends(taken, made) for taken, made in zip(before, after, strict=True))


def _entry(network: PlainNetwork, preprocessing: Preprocessing) -> Callable[[Pixels], Tensor]:
    """Return what pads pixels with the mean for the first layer: uint8 (N, 3, S + 2P, S + 2P), channels-last."""
    padding, side = int(network.first.padding[0]), preprocessing.crop
    mean = np.round(preprocessing.mean).astype(np.uint8)
    grey = np.tile(mean, (side + 2 * padding, side + 2 * padding, 1))

    def padded(pixels: Pixels) -> Tensor:
        levels = np.empty((len(pixels), *grey.shape), np.uint8)
        levels[:] = grey
        levels[:, padding : padding + side, padding : padding + side] = pixels
        return torch.from_numpy(levels).permute(0, 3, 1, 2)

    return padded


def _maps(network: PlainNetwork, preprocessing: Preprocessing, ends: Iterator[_Ends]) -> list[Layer]:
    layers: list[Layer] = []
    for layer, side in zip(network.maps, network.sides(preprocessing.crop), strict=True):
        if not isinstance(layer, nn.Conv2d):
            layers.append(_halved)
        elif layer is network.first:
            weight, bias = _on_levels(layer, preprocessing)
            padded = side + 2 * int(layer.padding[0])
            layers.append(_convolution(weight, bias, [0, 0], list(layer.stride), padded, next(ends)))
        else:
            layers.append(
                _convolution(layer.weight, layer.bias, [*map(int, layer.padding)], list(layer.stride), side, next(ends))
            )
    return layers


def _on_levels(layer: nn.Conv2d, preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """Return the weight and bias of the first layer as they apply to levels of 0 to 255."""
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    weight = layer.weight / std
    shift = (weight * mean).sum(dim=(1, 2, 3))
    return weight, -shift if layer.bias is None else layer.bias - shift


def _halved(maps: Tensor) -> Tensor:
    """Return the maximum of each 2 x 2 pixels; torch's own pooling does not take bytes."""
    pixels = maps.permute(0, 2, 3, 1)  # (N, S, S, C)
    rows = torch.maximum(pixels[:, 0:-1:2], pixels[:, 1::2])
    return torch.maximum(rows[:, :, 0:-1:2], rows[:, :, 1::2]).permute(0, 3, 1, 2)


def _convolution(
    weight: Tensor, bias: Tensor | None, padding: list[int], stride: list[int], side: int, ends: _Ends
) -> Layer:
    """Return the layer with its ReLU, for maps of `side` pixels."""
    rounded, levels = _bytes(weight)
    shape = [1, weight.shape[1], side, side]
    packed = torch.ops.onednn.qconv_prepack(rounded, levels, ends.taken, 0, stride, padding, _DILATION, 1, shape)
    zeros = torch.zeros(len(levels), dtype=torch.int32)
    bias = None if bias is None else bias.detach().clone()

    def convolve(maps: Tensor) -> Tensor:
        made: Tensor = torch.ops.onednn.qconv_pointwise(
            *(maps, ends.taken, 0),
            *(packed, levels, zeros, bias),
            *(stride, padding, _DILATION, 1),
            *ends.output,
            "relu",
            [],
            "",
        )
        return made

    return convolve


def _connected(layer: nn.Linear, ends: _Ends) -> Layer:
    weight, levels = _bytes(layer.weight)
    packed = torch.ops.onednn.qlinear_prepack(weight, None)
    zeros = torch.zeros(len(levels), dtype=torch.int32)
    bias = None if layer.bias is None else layer.bias.detach().clone()

    def connect(values: Tensor) -> Tensor:
        made: Tensor = torch.ops.onednn.qlinear_pointwise(
            *(values, ends.taken, 0),
            *(packed, levels, zeros, bias),
            *ends.output,
            "relu",
            [],
            "",
        )
        return made

    return connect


def _bytes(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 weights, and float32 (out,), the value of one level of each output channel."""
    rows = weight.detach().flatten(1)
    levels = rows.abs().amax(dim=1).clamp_(min=_LEAST).div_(_LARGEST_WEIGHT)
    return rows.div(levels[:, None]).round_().to(torch.int8).reshape(weight.shape), levels
