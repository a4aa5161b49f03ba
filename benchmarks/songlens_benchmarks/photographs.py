"""Photographs of nothing, as large and as hard to decode as those of a camera."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

_COARSE = 24
"""Pixels of a patch; what is finer is noise."""

_NOISE = 6.0


@cache
def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Return soft patches of colour with a sensor's noise on them."""
    dice = np.random.default_rng(seed)
    patches = dice.integers(0, 256, (height // _COARSE + 2, width // _COARSE + 2, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC), np.float32)
    noisy = soft + dice.normal(0.0, _NOISE, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def jpeg(width: int, height: int, seed: int = 0) -> bytes:
    """Return it as a camera would keep it, 4:2:0 at quality 90."""
    return _saved(picture(width, height, seed), "JPEG", quality=90)


def heic(width: int, height: int, seed: int = 0) -> bytes:
    """Return it as an iPhone would keep it."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return _saved(picture(width, height, seed), "HEIF", quality=50)


def _saved(photo: Image.Image, kind: str, **options: int) -> bytes:
    out = BytesIO()
    photo.save(out, kind, **options)
    return out.getvalue()
