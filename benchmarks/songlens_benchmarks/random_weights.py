"""VGG-19 with weights by chance, in a file as torchvision's own: as fast as the trained one, and as large."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import vgg19

_SEED = 1


def write_vgg19(path: Path) -> None:
    """Write the file. The signal keeps its size through the layers (He initialisation), as in a trained network."""
    with torch.device("meta"):
        shapes = vgg19().state_dict()
    generator = torch.Generator().manual_seed(_SEED)
    torch.save({name: _random(shape, generator) for name, shape in shapes.items()}, path)


def _random(like: Tensor, generator: torch.Generator) -> Tensor:
    if like.dim() == 1:
        return torch.zeros(like.shape)
    return torch.randn(like.shape, generator=generator).mul_(math.sqrt(2 / like[0].numel()))
