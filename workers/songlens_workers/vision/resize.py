"""Antialiased resizing, as Pillow does it: by torch's kernels for AVX2 where there are any, which are quicker.

torch is imported when it is first used, so that a process that resizes by Pillow does without its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from songlens_workers.vision.preprocess import Interpolation, Pixels

Resize = Callable[[Image.Image, tuple[int, int], Interpolation], Pixels]
"""Resizes a photo in RGB to (height, width). Returns uint8 (height, width, 3). Thread-safe, in the caller's thread."""

_RESAMPLE: dict[Interpolation, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}

# torch needs a copy of the photo, and another while that is made. Of one of 120 megapixels that would be .7 GB.
_MOST_COPIED_PIXELS = 16_000_000


@cache
def _has_avx2() -> bool:
    """Without it torch is as slow as Pillow, and takes further threads for it."""
    import torch

    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def by_the_quickest(photo: Image.Image, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
    """Resize by torch where that is quicker, and its copies are not too large; else by Pillow."""
    quick = photo.width * photo.height <= _MOST_COPIED_PIXELS and _has_avx2()
    return (by_torch if quick else by_pillow)(photo, size, interpolation)


def by_torch(photo: Image.Image, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
    """Within two levels of 255 the same as `by_pillow`, and the very same in all but a few percent of the pixels.

    Of photos more than twice as high as wide, which Pillow resizes in the other order, noise may come out differently.
    """
    import torch
    from torch.nn import functional as F

    planes = torch.from_numpy(np.array(photo)).permute(2, 0, 1).unsqueeze(0)
    resized = F.interpolate(planes, size=size, mode=interpolation, antialias=True)
    return np.asarray(resized[0].permute(1, 2, 0).numpy())


def by_pillow(photo: Image.Image, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
    """On any processor, without a copy."""
    height, width = size
    return np.asarray(photo.resize((width, height), _RESAMPLE[interpolation]))
