"""Which executor a network gets, by device and precision."""

from __future__ import annotations

import torch
from torch import nn

from songlens_shared.errors import ConfigError
from songlens_workers.vision.forward.cuda import cuda_executor
from songlens_workers.vision.forward.eager import EagerExecutor
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.forward.fused import can_fuse, fused
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.forward.program import PRECISIONS
from songlens_workers.vision.preprocess import Preprocessing


def choose_executor(
    network: nn.Module, preprocessing: Preprocessing, device: torch.device, precision: str = "fp32"
) -> Executor:
    """Return the fastest executor of a network there. Raises `ConfigError` for a precision that it has none for."""
    if device.type == "cuda":
        return _on_gpu(network, preprocessing, device, precision)
    if isinstance(network, PlainNetwork) and can_fuse(device, precision):
        return fused(network, preprocessing, precision)
    if precision == "fp32":
        return EagerExecutor(network, preprocessing, device)
    raise ConfigError(
        f"There is no precision {precision!r} for this backbone on {device.type}; use `fp32`, which runs everywhere."
    )


def _on_gpu(network: nn.Module, preprocessing: Preprocessing, device: torch.device, precision: str) -> Executor:
    if precision not in PRECISIONS:
        raise ConfigError(f"There is no precision {precision!r} on a GPU; use one of {', '.join(PRECISIONS)}.")
    return cuda_executor(network, preprocessing, device, precision)
