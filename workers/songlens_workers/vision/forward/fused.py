"""A plain network by oneDNN: each layer with its ReLU in one call, on weights packed for the processor once.

These are the operators that torch's own compiler emits, called directly: nothing is compiled at a worker's start.
"""

from __future__ import annotations

import platform

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.forward.sequence import Layer, SequenceExecutor
from songlens_workers.vision.preprocess import Pixels, Preprocessing

_BATCH = 8
"""Photos that the connected layers are packed for; the layout is as fast as their own for 1 and for 64."""

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def can_fuse(device: torch.device, precision: str) -> bool:
    """Say whether `fused` runs there; bf16 only counts where the processor has instructions for it."""
    here = device.type == "cpu" and has_onednn()
    return here and (precision == "fp32" or (precision == "bf16" and torch.cpu._is_avx512_bf16_supported()))


def has_onednn() -> bool:
    """Say whether torch has its x86 operators here."""
    return platform.machine() in ("x86_64", "AMD64") and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def fused(network: PlainNetwork, preprocessing: Preprocessing, precision: str = "fp32") -> SequenceExecutor:
    """Return the executor. It keeps its own copy of the weights: the network may be dropped."""
    dtype = _TYPES[precision]
    normalised = Normaliser(preprocessing, torch.device("cpu"))

    def entry(pixels: Pixels) -> Tensor:
        return normalised(pixels).to(dtype)

    with torch.inference_mode():
        return SequenceExecutor(
            precision=precision,
            entry=entry,
            value_bytes=dtype.itemsize,
            maps=_maps(network, preprocessing.crop, dtype),
            connected=[_connected(layer, dtype) for layer in network.linears()],
            rest=network.rest,
        )


def _maps(network: PlainNetwork, side: int, dtype: torch.dtype) -> list[Layer]:
    layers: list[Layer] = []
    for layer, sides in zip(network.maps, network.sides(side), strict=True):
        layers.append(_convolution(layer, sides, dtype) if isinstance(layer, nn.Conv2d) else halved)
    return layers


def halved(maps: Tensor) -> Tensor:
    """Return the maximum of each 2 x 2 pixels."""
    return F.max_pool2d(maps, 2)


def _convolution(layer: nn.Conv2d, side: int, dtype: torch.dtype) -> Layer:
    padding, stride, dilation = list(layer.padding), list(layer.stride), list(layer.dilation)
    weight = layer.weight.detach().to(dtype=dtype, memory_format=torch.channels_last)
    shape = [1, layer.in_channels, side, side]
    packed = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, stride, dilation, 1, shape)
    bias = None if layer.bias is None else layer.bias.detach().to(dtype)

    def convolve(maps: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            maps, packed, bias, padding, stride, dilation, 1, "relu", [], ""
        )
        return made

    return convolve


def _connected(layer: nn.Linear, dtype: torch.dtype) -> Layer:
    packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().to(dtype), _BATCH)
    bias = None if layer.bias is None else layer.bias.detach().to(dtype)

    def connect(values: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._linear_pointwise(values, packed, bias, "relu", [], "")
        return made

    return connect
