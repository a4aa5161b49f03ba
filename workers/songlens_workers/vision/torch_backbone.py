"""What every torch backbone shares: what a manifest says of it, the device, and the threads."""

from __future__ import annotations

import numpy as np
import torch

from songlens_shared.errors import ConfigError
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.forward.calibration import Calibration
from songlens_workers.vision.forward.executor import Executor, WarmsUp
from songlens_workers.vision.forward.sequence import SequenceExecutor
from songlens_workers.vision.preprocess import Pixels, Preprocessing


class TorchBackbone:
    """A `Backbone` around whatever executes its network."""

    def __init__(
        self,
        *,
        name: str,
        executor: Executor,
        dimensions: int,
        preprocessing: Preprocessing,
        weights_sha256: str,
    ) -> None:
        self.name = name
        self.dimensions = dimensions
        self.preprocessing = preprocessing
        self.weights_sha256 = weights_sha256
        self._executor = executor

    @property
    def calibration(self) -> Calibration | None:
        """What int8 knows of its data; None for other precisions."""
        return self._executor.calibration if isinstance(self._executor, SequenceExecutor) else None

    @property
    def precision(self) -> str:
        """The arithmetic of the forward pass."""
        return self._executor.precision

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._executor.device

    def with_executor(self, executor: Executor) -> TorchBackbone:
        """Return the same backbone, executed otherwise."""
        return TorchBackbone(
            name=self.name,
            executor=executor,
            dimensions=self.dimensions,
            preprocessing=self.preprocessing,
            weights_sha256=self.weights_sha256,
        )

    def embed(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3). Raises `ValueError` for another shape or dtype."""
        self.preprocessing.check(pixels)
        if len(pixels) == 0:
            return np.empty((0, self.dimensions), np.float32)
        return self._executor(pixels)

    def warm_up(self, largest_batch: int) -> None:
        """Make ready for batches of up to so many photos, where the first of a size would be slow otherwise."""
        if isinstance(self._executor, WarmsUp):
            self._executor.warm_up(largest_batch)


def find_device(device: str) -> torch.device:
    """Return the torch device; `auto` is the GPU where there is one. Raises `ConfigError` when it is not there."""
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"The device {device!r} cannot be used ({str(error).splitlines()[0]}); use `cpu`, or `auto` to take "
            "the GPU where there is one."
        ) from error
    return found


def set_threads(threads: int | None) -> None:
    """Bound torch's threads in this process; None takes the processors that the container really has."""
    if threads is not None and threads < 1:
        raise ConfigError("threads must be 1 or more; leave it out to use every processor of the container.")
    torch.set_num_threads(available_cpus() if threads is None else threads)
