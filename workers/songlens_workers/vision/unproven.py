"""A backbone in less than fp32 as a build holds it: with its network, to calibrate it and compare it with fp32."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.calibration import Calibration, calibrate
from songlens_workers.vision.forward.choose import check_precision, choose_executor
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.forward.int8 import quantised
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.preprocess import Pixels, Preprocessing
from songlens_workers.vision.torch_backbone import TorchBackbone


class UnprovenBackbone:
    """A `Backbone` that does not embed before `proven` has made one of it."""

    calibration: Calibration | None = None

    def __init__(self, network: nn.Module, device: torch.device, precision: str, reference: TorchBackbone) -> None:
        """Raise `ConfigError` for a precision that is not to be had there. `reference` is the same in fp32."""
        check_precision(network, device, precision)
        self.precision = precision
        self.reference = reference
        self.name = reference.name
        self.dimensions = reference.dimensions
        self.preprocessing: Preprocessing = reference.preprocessing
        self.weights_sha256 = reference.weights_sha256
        self.device = reference.device
        self._network = network
        self._torch_device = device

    def embed(self, pixels: Pixels) -> Features:
        """Raise `RuntimeError`."""
        raise RuntimeError(f"a backbone in {self.precision} embeds once it is proven")

    def proven(self, pixels: Pixels) -> TorchBackbone:
        """Return the backbone, calibrated where its precision asks for that, on uint8 (N, S, S, 3) of its catalogue."""
        return self.reference.with_executor(self._executor(pixels))

    def _executor(self, pixels: Pixels) -> Executor:
        network = self._network
        if self.precision != "int8" or not isinstance(network, PlainNetwork):
            return choose_executor(network, self.preprocessing, self._torch_device, self.precision)
        normalised = Normaliser(self.preprocessing, self._torch_device)
        one_by_one = (normalised(pixels[place : place + 1]) for place in range(len(pixels)))
        return quantised(network, self.preprocessing, calibrate(network, one_by_one))


def assemble(
    network: nn.Module,
    device: torch.device,
    precision: str,
    calibration: Path | None,
    building: bool,
    *,
    name: str,
    dimensions: int,
    preprocessing: Preprocessing,
    weights_sha256: str,
) -> TorchBackbone | UnprovenBackbone:
    """Return the backbone around a network; when building in less than fp32, one that is still to be proven."""
    unproven = building and precision != "fp32"
    backbone = TorchBackbone(
        name=name,
        executor=choose_executor(network, preprocessing, device, "fp32" if unproven else precision, calibration),
        dimensions=dimensions,
        preprocessing=preprocessing,
        weights_sha256=weights_sha256,
    )
    return UnprovenBackbone(network, device, precision, backbone) if unproven else backbone
