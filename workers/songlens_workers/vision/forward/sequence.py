"""Executes packed layers one after the other on the CPU: whatever their precision.

Photos go through the convolutions a few at a time, whatever the batch: what a layer makes of them (in VGG-19 12.8 MB
at most, of one photo in float32, of four in bytes) is still in the cache when the next layer reads it, and its memory
is used again. Of eight photos in float32 it is not, and the early layers lose a third of their speed. The
fully-connected layers take the whole batch, for what they cost is reading their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.calibration import Calibration
from songlens_workers.vision.preprocess import Pixels

Layer = Callable[[Tensor], Tensor]

_THREADS_A_PHOTO = 4
"""One photo keeps so many threads busy."""

_WIDEST_VALUE = 4
"""Bytes of a value of which one photo at a time fits the cache; of narrower ones more photos do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SequenceExecutor:
    """An `Executor` of layers that each keep their own packed weights."""

    precision: str
    entry: Callable[[Pixels], Tensor]
    """From uint8 (N, S, S, 3) to what the first layer takes."""

    value_bytes: int
    """Of each value that a convolution makes."""

    maps: Sequence[Layer]
    connected: Sequence[Layer]
    rest: nn.Module
    """Takes and returns float32."""

    device: str = "cpu"
    calibration: Calibration | None = None
    """Of int8."""

    def __call__(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3)."""
        step = max(1, torch.get_num_threads() // _THREADS_A_PHOTO) * (_WIDEST_VALUE // self.value_bytes)
        with torch.inference_mode():
            parts = [self._mapped(pixels[start : start + step]) for start in range(0, len(pixels), step)]
            values = torch.cat(parts) if len(parts) > 1 else parts[0]
            for layer in self.connected:
                values = layer(values)
            features: Features = self.rest(values.float()).numpy()
        return features

    def _mapped(self, pixels: Pixels) -> Tensor:
        """Return what the convolutions make of a few photos, flattened channel by channel for connected layers."""
        maps = self.entry(pixels)
        for layer in self.maps:
            maps = layer(maps)
        return maps.flatten(1) if self.connected else maps
