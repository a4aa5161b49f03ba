"""torch.compile: its inductor backend with frozen weights, which emits oneDNN calls and C++ around them.

Every size of batch is compiled for itself, as somebody would who wants it fast. Needs a C++ compiler where it runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.eager import place
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.preprocess import Pixels, Preprocessing

_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_CPU = torch.device("cpu")


class Compiled:
    """An `Executor` of a network that maps normalised float32 (N, 3, S, S) to float32 (N, D), channels-last."""

    device = "cpu"

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, precision: str) -> None:
        self.precision = precision
        self._normalised = Normaliser(preprocessing, _CPU)
        self._network = torch.compile(network, dynamic=False)

    def __call__(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3). The first batch of a size waits until it is compiled."""
        import torch._inductor.config as inductor

        # Both dynamo and inductor read the setting while they compile; outside of inference mode they ignore it.
        with torch.inference_mode(), inductor.patch(freezing=True):
            features: Features = self._network(self._normalised(pixels)).numpy()
        return features


def compiled(network: nn.Module, preprocessing: Preprocessing) -> Compiled:
    """Return the network in fp32, still to be compiled."""
    return Compiled(place(network, _CPU), preprocessing, "fp32")


def can_compile() -> bool:
    """Say whether there is a C++ compiler that inductor would take."""
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except RuntimeError:
        return False
    return True


@contextmanager
def compile_cache() -> Iterator[None]:
    """Have whatever is compiled meanwhile start from nothing, and leave nothing behind."""
    before = os.environ.get(_CACHE_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        os.environ[_CACHE_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[_CACHE_VARIABLE]
            else:
                os.environ[_CACHE_VARIABLE] = before
