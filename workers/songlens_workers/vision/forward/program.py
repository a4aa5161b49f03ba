"""A network between two buffers of fixed size and place, as a captured graph needs it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Protocol

import structlog
import torch
from torch import Tensor, nn

from songlens_workers.vision.forward.eager import place
from songlens_workers.vision.forward.normalise import channels
from songlens_workers.vision.preprocess import Preprocessing

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Arithmetic of convolutions and matrix products. Normalisation is in float32, and so are the features."""

_log = structlog.get_logger()


class NormalisedNetwork:
    """Decoded photos to features, all on the device: conversion and normalisation are part of what it executes."""

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, device: torch.device, precision: str = "fp32"
    ) -> None:
        """Take the network over in fp32: it is moved. For 16 bits it is copied."""
        self.device = device
        self.precision = precision
        self.side = preprocessing.crop
        if precision != "fp32":  # the same network may be somebody's in fp32, to be compared with
            network = copy.deepcopy(network).to(PRECISIONS[precision])
        self.network = place(network, device)
        self._mean = channels(preprocessing.mean, device)
        self._std = channels(preprocessing.std, device)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return float32 (N, D) for uint8 (N, S, S, 3). Bytes become channels-last images in two passes over memory."""
        centred = torch.sub(pixels.permute(0, 3, 1, 2), self._mean)  # (N, 3, S, S), float32
        images = torch.empty_like(centred, dtype=PRECISIONS[self.precision])
        torch.div(centred, self._std, out=images)
        features: Tensor = self.network(images)
        return features.float()


class Program(Protocol):
    """Makes the features in `output` of the photos in `input`, always the same two buffers."""

    input: Tensor
    """uint8 (B, S, S, 3)"""

    output: Tensor
    """float32 (B, D)"""

    def run(self) -> None:
        """Queue it where torch queues work at the moment."""


class EagerProgram:
    """A `Program` as torch executes it, operator by operator."""

    def __init__(self, network: NormalisedNetwork, input: Tensor, output: Tensor) -> None:
        self.input = input
        self.output = output
        self._network = network

    def run(self) -> None:
        """Execute it."""
        with torch.inference_mode():
            self.output.copy_(self._network(self.input))


class Programs:
    """The program of each bucket, made when it is first asked for. One at a time may run: they share their buffers."""

    def __init__(
        self, network: NormalisedNetwork, largest: int, capture: Callable[[EagerProgram], Program] | None = None
    ) -> None:
        """Without `capture`, or once that has failed, programs stay as torch executes them."""
        self._network = network
        self._capture = capture
        self._made: dict[int, Program] = {}
        side = network.side
        self._input = torch.zeros((largest, side, side, 3), dtype=torch.uint8, device=network.device)
        with torch.inference_mode():
            self.dimensions = int(network(self._input[:1]).shape[1])
        self._output = torch.empty((largest, self.dimensions), dtype=torch.float32, device=network.device)

    def of(self, bucket: int) -> Program:
        """Return the program of a bucket."""
        if bucket not in self._made:
            self._made[bucket] = self._make(EagerProgram(self._network, self._input[:bucket], self._output[:bucket]))
        return self._made[bucket]

    def _make(self, program: EagerProgram) -> Program:
        if self._capture is None:
            return program
        try:
            return self._capture(program)
        except RuntimeError as error:  # as every error of CUDA is
            _log.warning("cuda_graphs_refused", error=type(error).__name__, bucket=len(program.input))
            self._capture = None
            return program
