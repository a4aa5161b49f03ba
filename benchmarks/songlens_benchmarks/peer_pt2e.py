"""PyTorch's own way to int8 on x86, PT2E: export, insert observers, calibrate, convert, compile. By torchao.

https://docs.pytorch.org/ao/stable/pt2e_quantization/pt2e_quant_x86_inductor.html
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import nn

from songlens_benchmarks.peer_compile import Compiled
from songlens_workers.vision.forward.eager import place
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.preprocess import Pixels, Preprocessing

INSTALLED = importlib.util.find_spec("torchao") is not None
_CPU = torch.device("cpu")


def quantised(network: nn.Module, preprocessing: Preprocessing, photos: Pixels, *, reduce_range: bool) -> Compiled:
    """Return the network in int8, static, one level of weights for each channel, calibrated by uint8 (N, S, S, 3).

    `reduce_range` spares a bit of each activation: without VNNI instructions the sum of two products of bytes is kept
    in 16 bits, and would be cut off.
    """
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    normalised = Normaliser(preprocessing, _CPU)
    with torch.no_grad():
        prepared = prepare_pt2e(_exported(place(network, _CPU), normalised(photos[:2])), _quantiser(reduce_range))
        for at in range(len(photos)):
            prepared(normalised(photos[at : at + 1]))
        return Compiled(convert_pt2e(prepared), preprocessing, "int8")


def _exported(network: nn.Module, images: torch.Tensor) -> nn.Module:
    """Return the network as a graph, for any number of images."""
    count = torch.export.Dim("count")
    return torch.export.export(network, (images,), dynamic_shapes=({0: count},)).module()


def _quantiser(reduce_range: bool) -> Any:
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    chosen = x86.get_default_x86_inductor_quantization_config(reduce_range=reduce_range)
    return x86.X86InductorQuantizer().set_global(chosen)
