"""How large a photo may be: the published bounds of one request's image."""

from __future__ import annotations

from dataclasses import dataclass

from songlens_shared.errors import ConfigError, ImageTooLarge

_MEBIBYTE = 1 << 20
_MEGAPIXEL = 1_000_000

_ADVICE = "send a smaller copy (256 pixels on the short side is enough)."


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """Bounds that are checked before any pixel is decoded.

    `max_image_bytes`: size of the encoded photo. 32 MiB holds a 108-megapixel JPEG.
    `max_pixels`: width times height. 120 megapixels let the photos of 108-megapixel phones (12,000 x 9,000) pass and
    keep one decoded photo under half a gigabyte (four bytes a pixel), so that a small decompression bomb, such as
    20,000 x 20,000 pixels of one colour in 50 KB, cannot exhaust a worker's memory.

    Raises `ConfigError` when a bound is not positive.
    """

    max_image_bytes: int = 32 * _MEBIBYTE
    max_pixels: int = 120 * _MEGAPIXEL

    def __post_init__(self) -> None:
        if self.max_image_bytes < 1 or self.max_pixels < 1:
            raise ConfigError("The image limits must be positive: set max_image_bytes and max_pixels to 1 or more.")

    def check_bytes(self, image_bytes: int) -> None:
        """Raise `ImageTooLarge` when the encoded photo has more bytes than allowed."""
        if image_bytes > self.max_image_bytes:
            raise ImageTooLarge(
                f"The photo has {image_bytes / _MEBIBYTE:.1f} MiB and the limit is "
                f"{self.max_image_bytes / _MEBIBYTE:.1f} MiB; {_ADVICE}"
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Raise `ImageTooLarge` when the photo has more pixels than allowed."""
        if width * height > self.max_pixels:
            raise ImageTooLarge(
                f"The photo has {width} x {height} pixels and the limit is "
                f"{self.max_pixels / _MEGAPIXEL:g} megapixels; {_ADVICE}"
            )
