"""Is it an image that a model can be built from? Decoded with the limits and the code that vision workers use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from songlens_shared.errors import BadImage, ConfigError, ImageTooLarge
from songlens_workers.vision.decode import decode, read_header
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels, Preprocessing
from songlens_workers.vision.resize import by_pillow

# What the perceptual hash is taken from: the centre square, which is also what a backbone sees.
_SQUARE = Preprocessing(resize=128, crop=128, interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

# An image of fewer levels of grey than this is a plain surface: its hash would only hold noise.
_MIN_CONTRAST = 16

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "HEIF": ".heic", "TIFF": ".tif"}


class ImageRefused(Exception):
    """The file is no image for a catalogue; the message is the reason. Never leaves this package."""


@dataclass(frozen=True, kw_only=True)
class ImageChecks:
    """What an image must be. Raises `ConfigError` for values out of range."""

    limits: ImageLimits = field(default_factory=ImageLimits)
    min_side: int = 100
    """Pixels of the short side. Search engines also list icons and one-pixel placeholders."""

    def __post_init__(self) -> None:
        if self.min_side < 1:
            raise ConfigError("The short side of images must be 1 pixel or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedImage:
    """An image that passed: its content's hash, its size, and what it looks like."""

    sha256: str
    suffix: str
    image_bytes: int
    width: int
    height: int
    perceptual_hash: int | None
    """64 bits (pHash); None for a plain surface."""

    @property
    def file_name(self) -> str:
        """The name that the content gives it."""
        return self.sha256 + self.suffix


def check_image(content: bytes, checks: ImageChecks) -> CheckedImage:
    """Decode an image and describe it. Thread-safe. Raises `ImageRefused` with the reason in a few words."""
    try:
        header = read_header(content, checks.limits)
        if min(header.width, header.height) < checks.min_side:
            raise ImageRefused(f"short side under {checks.min_side} pixels")
        pixels = decode(content, _SQUARE, checks.limits, resize=by_pillow)
    except ImageTooLarge as error:
        raise ImageRefused("more bytes or pixels than allowed") from error
    except BadImage as error:
        raise ImageRefused("not an image, or a damaged one") from error
    return CheckedImage(
        sha256=hashlib.sha256(content).hexdigest(),
        suffix=_SUFFIXES.get(header.format, f".{header.format.lower()}"),
        image_bytes=len(content),
        width=header.width,
        height=header.height,
        perceptual_hash=perceptual_hash(pixels),
    )


def perceptual_hash(pixels: Pixels) -> int | None:
    """Return the pHash of uint8 (H, W, 3) as an integer of 64 bits; None for a plain surface.

    pHash: which of the 8 x 8 lowest frequencies of the 32 x 32 grey image are above their median.
    """
    from PIL import Image

    grey = Image.fromarray(pixels).convert("L")
    darkest, brightest = grey.getextrema()
    if brightest - darkest < _MIN_CONTRAST:  # type: ignore[operator]
        return None
    return int(str(_imagehash().phash(grey)), 16)


@cache
def _imagehash() -> Any:
    import imagehash

    return imagehash
