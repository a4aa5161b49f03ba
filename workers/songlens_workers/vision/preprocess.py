"""What a backbone's weights were trained to see: resize, centre crop and normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from songlens_shared.errors import ModelDamaged

Interpolation = Literal["bilinear", "bicubic"]
Channels = tuple[float, float, float]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The path from a photo to a network's input; part of a model's manifest.

    The photo's short side becomes `resize` pixels (antialiased `interpolation`) and the centre `crop` x `crop` is
    kept. The network then sees (level - `mean`) / `std`, one of each a channel (red, green, blue), where levels run
    from 0 to 255.
    """

    resize: int
    crop: int
    interpolation: Interpolation
    mean: Channels
    std: Channels

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form for the manifest."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Preprocessing:
        """Read what `to_dict` wrote. Raises `ModelDamaged` when fields are missing, unknown or of no use."""
        try:
            preprocessing = cls(**{**fields, "mean": _channels(fields["mean"]), "std": _channels(fields["std"])})
            usable = 0 < preprocessing.crop <= preprocessing.resize and min(preprocessing.std) > 0
        except (KeyError, TypeError, ValueError) as error:
            raise ModelDamaged(
                f"The manifest's preprocessing cannot be read ({error}); build the model again."
            ) from error
        if not usable or preprocessing.interpolation not in ("bilinear", "bicubic"):
            raise ModelDamaged(f"The manifest's preprocessing makes no sense ({fields}); build the model again.")
        return preprocessing

    def check(self, pixels: Pixels) -> None:
        """Raise `ValueError` unless `pixels` is uint8 (N, crop, crop, 3)."""
        expected = (self.crop, self.crop, 3)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != expected:
            raise ValueError(
                f"pixels must be uint8 (N, {self.crop}, {self.crop}, 3); got {pixels.dtype} {tuple(pixels.shape)}"
            )


def _channels(values: Any) -> Channels:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
