"""From what an app holds (bytes, a path, a PIL image) to the bytes that are queued.

Where Pillow is installed, big photos are downsized here: a camera roll holds 12 to 48 megapixels, and a network that
looks at 224 pixels needs none of them on the queue. What this side cannot read goes as it is; the worker has the last
word.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from songlens_shared.errors import BadImage, ImageTooLarge
from songlens_shared.messages import MAX_IMAGE_BYTES

if TYPE_CHECKING:
    from PIL import Image

Photo: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str] | Image.Image"

SHORT_SIDE = 320
"""Pixels. The backbones resize to 256 or 298 on the short side before they crop."""

_KEEP_BYTES = 256 * 1024
_KEEP_SHORT_SIDE = 480
_JPEG_QUALITY = 90
_JPEG_HEADROOM = 2


def photo_bytes(photo: Photo) -> bytes:
    """Return the bytes to queue for a photo: upright and downsized where Pillow is installed and can read it.

    Raises `BadImage` for what is no photo at all, `ImageTooLarge` for more than 32 MiB that could not be downsized.
    """
    if isinstance(photo, (bytes, bytearray, memoryview)):
        image = _downsized_bytes(bytes(photo))
    elif isinstance(photo, (str, os.PathLike)):
        image = _downsized_bytes(_read(Path(photo)))
    elif hasattr(photo, "convert") and hasattr(photo, "save"):
        image = _encoded(photo)
    else:
        raise BadImage(f"a photo is bytes, a path or a PIL image, not {type(photo).__name__}.")
    if len(image) > MAX_IMAGE_BYTES:
        raise ImageTooLarge(
            f"the photo has {len(image)} bytes; the limit is {MAX_IMAGE_BYTES}. "
            "Send a smaller copy, or install songlens[photos], which makes one."
        )
    return image


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"the photo cannot be read: {error.strerror or error} ({path}).") from error


def _downsized_bytes(image: bytes) -> bytes:
    if not image:
        raise BadImage("the photo has 0 bytes; send the content of a photo file.")
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        return image
    _accept_heic()
    try:
        with Image.open(BytesIO(image)) as photo:
            if len(image) <= _KEEP_BYTES and min(photo.size) <= _KEEP_SHORT_SIDE:
                return image
            return _encoded(photo) if _is_plain(photo) else image
    except Image.DecompressionBombError:
        raise ImageTooLarge("the photo has too many pixels to be opened safely; send a smaller copy.") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return image


def _accept_heic() -> None:
    """HEIC is what iPhones write; registering twice does no harm."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _is_plain(photo: Image.Image) -> bool:
    """16-bit and floating-point pixels have a meaning that only the worker's decoder keeps."""
    return not photo.mode.startswith(("I", "F"))


def _encoded(photo: Image.Image) -> bytes:
    from PIL import ImageOps

    if hasattr(photo, "draft"):
        photo.draft("RGB", (SHORT_SIDE * _JPEG_HEADROOM, SHORT_SIDE * _JPEG_HEADROOM))
    upright = _on_white(ImageOps.exif_transpose(photo))
    scale = SHORT_SIDE / min(upright.size)
    if scale < 1:
        upright = upright.resize((max(1, round(upright.width * scale)), max(1, round(upright.height * scale))))
    out = BytesIO()
    upright.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def _on_white(photo: Image.Image) -> Image.Image:
    """Return RGB; what is transparent is shown on white, as the worker's decoder does."""
    from PIL import Image

    if not photo.has_transparency_data:
        return photo.convert("RGB")
    rgba = photo.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
