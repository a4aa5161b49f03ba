"""A few layers of seeded random weights: for tests and overhead benchmarks only.

Its vectors tell apart what differs in colour and coarse texture, and nothing else. It is loaded by its own name, never
as a stand-in for a trained network.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.preprocess import Preprocessing
from songlens_workers.vision.torch_backbone import TorchBackbone, find_device
from songlens_workers.vision.unproven import UnprovenBackbone, assemble

NAME = "tiny"
DIMENSIONS = 64

PREPROCESSING = Preprocessing(
    resize=64,
    crop=56,
    interpolation="bilinear",
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
)

_SEED = 2018


def load(
    *, device: str = "auto", precision: str = "fp32", calibration: Path | None = None, building: bool = False
) -> TorchBackbone | UnprovenBackbone:
    """Make the network; every process makes the same one. Raises `ConfigError` when the device is not there."""
    target = find_device(device)
    network = untrained_network()
    sha256 = _sha256(network)
    return assemble(
        plain(network),
        target,
        precision,
        calibration,
        building,
        name=NAME,
        dimensions=DIMENSIONS,
        preprocessing=PREPROCESSING,
        weights_sha256=sha256,
    )


def plain(network: nn.Sequential) -> PlainNetwork:
    """Return the same network as a plain sequence of layers."""
    maps = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    return PlainNetwork(maps, rest=network[4:])


def untrained_network() -> nn.Sequential:
    """Return (N, 3, 56, 56) -> (N, 64). The weights' generator is its own: torch's random state is left alone."""
    with torch.device("meta"):
        network = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=7, stride=4, padding=3, bias=False),
            nn.ReLU(),
            nn.Conv2d(16, 16, kernel_size=3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
    generator = torch.Generator().manual_seed(_SEED)
    state = {name: _he_normal(tensor, generator) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    return network


def _he_normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """He initialisation ("Delving Deep into Rectifiers", 2015): the signal keeps its size through the layers."""
    fan_in = like[0].numel()
    weights = torch.randn(like.shape, generator=generator)
    return weights.mul_(math.sqrt(2 / fan_in))


def _sha256(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
