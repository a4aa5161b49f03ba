"""One picture of the generated catalogue: what decides it, and how it becomes a file."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from songlens_training.generated.canvas import Canvas
from songlens_training.generated.themes import THEMES

_JPEG_QUALITY = 88


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture to paint: number `number` (0-based) of a theme (an index of THEMES) among images or queries."""

    seed: int
    kind: str
    theme: int
    number: int

    @property
    def path(self) -> Path:
        """Its path inside the catalogue."""
        return Path(self.kind, THEMES[self.theme].name, f"{self.number:05d}.jpg")


def painted(picture: Picture) -> Image.Image:
    """Return the picture, RGB, 320 x 240; it depends on nothing but its own fields."""
    words = (str(picture.seed), picture.kind, THEMES[picture.theme].name)
    canvas = Canvas(np.random.default_rng([*(zlib.crc32(word.encode()) for word in words), picture.number]))
    THEMES[picture.theme].scene(canvas)
    return canvas.image()


def paint(folder: Path, picture: Picture) -> None:
    """Write the picture as a JPEG file at its path under `folder`."""
    painted(picture).save(folder / picture.path, quality=_JPEG_QUALITY)
