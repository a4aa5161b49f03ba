"""What a network in int8 must know of its data: how large the values are that each layer makes.

It is measured on catalogue images when a model is built and kept with the model version, so that every worker computes
the features that the index holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from songlens_shared.errors import ModelDamaged
from songlens_workers.vision.forward.plain_network import PlainNetwork

LEVELS = 255
"""Of an unsigned byte; 0 is 0.0, what a ReLU leaves."""

_SAMPLE = 1 << 14
_CANDIDATES = 60
_SMALLEST_SHARE = 0.3


@dataclass(frozen=True)
class Calibration:
    """The value of one level, for each layer with weights but the last, whose values stay float32."""

    scales: tuple[float, ...]

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return (json.dumps({"format": 1, "scales": list(self.scales)}) + "\n").encode()

    @classmethod
    def read(cls, path: Path, layers: int) -> Calibration:
        """Read the file for a network of so many layers with weights; raises `ModelDamaged` where it does not fit."""
        try:
            fields = json.loads(path.read_bytes())
            scales = tuple(float(scale) for scale in fields["scales"])
            if fields["format"] != 1 or len(scales) != layers - 1 or not all(0 < scale < 1e6 for scale in scales):
                raise ValueError("it is for another network or release")
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ModelDamaged(f"{path.name} of the model cannot be used ({error}); build the model again.") from error
        return cls(scales)

    @property
    def sha256(self) -> str:
        """The checksum of the file's content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def calibrate(network: PlainNetwork, batches: Iterable[Tensor]) -> Calibration:
    """Return the levels at which rounding and cutting off cost least, over normalised float32 (N, 3, S, S) batches.

    The largest value would be too large a range: few values are near it, and all others would be rounded more
    coarsely. The mean squared error of both together is least at a smaller one.
    """
    samples: dict[nn.Module, list[Tensor]] = {}
    largest: dict[nn.Module, float] = {}
    with torch.inference_mode():
        for batch in batches:
            for layer, values in network.steps(batch):
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    samples.setdefault(layer, []).append(_sample(values))
                    largest[layer] = max(largest.get(layer, 0.0), float(values.max()))
        scales = [_least_error(torch.cat(samples[layer]), largest[layer]) for layer in samples]
    return Calibration(tuple(scales[:-1]))


def _sample(values: Tensor) -> Tensor:
    flat = values.flatten()
    return flat[:: max(1, flat.numel() // _SAMPLE)].clone()


def _least_error(sample: Tensor, largest: float) -> float:
    if largest <= 0:
        return 1.0  # a layer that is never active
    shares = torch.linspace(_SMALLEST_SHARE, 1, _CANDIDATES)
    scales = [float(share) * largest / LEVELS for share in shares]
    return min(scales, key=lambda scale: _error(sample, scale))


def _error(sample: Tensor, scale: float) -> float:
    kept = sample.div(scale).round_().clamp_(max=LEVELS).mul_(scale)
    return float(kept.sub_(sample).square_().mean())
