"""Which executor a network gets, by device and precision."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from songlens_shared.errors import ConfigError
from songlens_workers.vision.forward.calibration import Calibration
from songlens_workers.vision.forward.cuda import cuda_executor
from songlens_workers.vision.forward.eager import EagerExecutor
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.forward.fused import can_fuse, fused
from songlens_workers.vision.forward.int8 import can_quantise, quantised
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.forward.program import PRECISIONS
from songlens_workers.vision.preprocess import Preprocessing


def check_precision(network: nn.Module, device: torch.device, precision: str) -> None:
    """Raise `ConfigError` for a precision that this network does not have there."""
    if precision == "fp32":
        return
    if device.type == "cuda" and precision in PRECISIONS:
        return
    if isinstance(network, PlainNetwork) and (
        can_quantise(device) if precision == "int8" else can_fuse(device, precision)
    ):
        return
    raise ConfigError(
        f"The precision {precision!r} is not to be had with this backbone on {device.type} here; fp32 always is, int8 "
        "and bf16 are for vgg19 on an x86 processor with VNNI or AVX512_BF16 instructions (`--device cpu`), bf16 and "
        "fp16 for every backbone on a GPU. To serve in fp32, re-index: `songlens model build --precision fp32`, then "
        "`songlens model publish`."
    )


def choose_executor(
    network: nn.Module,
    preprocessing: Preprocessing,
    device: torch.device,
    precision: str = "fp32",
    calibration: Path | None = None,
) -> Executor:
    """Return the fastest executor of a network there; `calibration` is the file that int8 needs.

    Raises `ConfigError` for a precision that is not to be had, and `ModelDamaged` for a calibration of no use.
    """
    check_precision(network, device, precision)
    if device.type == "cuda":
        return cuda_executor(network, preprocessing, device, precision)
    if isinstance(network, PlainNetwork) and precision == "int8":
        if calibration is None:
            raise ConfigError("int8 needs the calibration that `songlens model build --precision int8` makes.")
        return quantised(network, preprocessing, Calibration.read(calibration, network.layers_with_weights))
    if isinstance(network, PlainNetwork) and can_fuse(device, precision):
        return fused(network, preprocessing, precision)
    return EagerExecutor(network, preprocessing, device)
