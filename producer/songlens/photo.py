"""From what an app holds (bytes, a path, a PIL image, an address) to what is queued.

Where Pillow is installed, big photos are downsized here: a camera roll holds 12 to 48 megapixels, and a network that
looks at 224 pixels needs none of them on the queue. What this side cannot read goes as it is; the worker has the last
word.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from songlens import peek
from songlens_shared.errors import BadImage, BadRequest, ImageTooLarge
from songlens_shared.messages import MAX_IMAGE_BYTES
from songlens_shared.private_logs import EXIF, keep_silent

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class PhotoUri:
    """A photo that the workers fetch: https://..., file:///... or an address of an object store.

    They refuse every address but those that they are set to allow (`uri_prefixes` in docs/configuration.md). Special
    characters are percent-encoded, as in `Path.as_uri()`. Raises `BadRequest` for what is no address.
    """

    uri: str = field(repr=False)
    """Never shown: a query may hold a password."""

    def __post_init__(self) -> None:
        if not isinstance(self.uri, str) or "://" not in self.uri:
            raise BadRequest(
                "a photo's address looks like https://HOST/PATH; give a path or bytes for any other photo."
            )


FilePhoto: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str]"
HeldPhoto: TypeAlias = "FilePhoto | Image.Image"
Photo: TypeAlias = "HeldPhoto | PhotoUri"
StoredPhoto: TypeAlias = "FilePhoto | PhotoUri"

SHORT_SIDE = 320
"""Pixels. The backbones resize to 256 or 298 on the short side before they crop."""

MAX_PIXELS = 120_000_000
"""As in the workers' limits: more would take half a gigabyte of the app's memory."""

_KEEP_BYTES = 256 * 1024
_KEEP_SHORT_SIDE = 480
_JPEG_QUALITY = 90
_JPEG_HEADROOM = 2

# What the workers decode. Pillow knows many more, and starts other programs for some of them.
_FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")


def photo_content(photo: Photo) -> bytes | PhotoUri:
    """Return what a request carries: an address as it is, or `photo_bytes`, whose errors it raises."""
    return photo if isinstance(photo, PhotoUri) else photo_bytes(photo)


def file_content(photo: StoredPhoto) -> bytes | PhotoUri:
    """Return what a request carries where every byte counts: an address or a file's content as it is.

    Raises `BadImage` for what is no file, and `ImageTooLarge`.
    """
    match photo:
        case PhotoUri():
            return photo
        case bytes() | bytearray() | memoryview():
            content = bytes(photo)
        case str() | os.PathLike():
            content = _read(Path(photo))
        case _:
            raise BadImage(f"features are those of bytes, a path or a PhotoUri, not of {type(photo).__name__}.")
    if len(content) > MAX_IMAGE_BYTES:
        raise ImageTooLarge(f"the photo has {len(content)} bytes; the limit is {MAX_IMAGE_BYTES}. Make it smaller.")
    return content


def goes_as_it_is(photo: Photo) -> TypeGuard[bytes | PhotoUri]:
    """Say whether `photo_content` would return the same: told at once, where a thread for it would cost more."""
    if isinstance(photo, bytes):
        return 0 < len(photo) <= MAX_IMAGE_BYTES and _is_known_as_small(photo)
    return isinstance(photo, PhotoUri)


def photo_bytes(photo: HeldPhoto) -> bytes:
    """Return the bytes to queue for a photo: upright and downsized where Pillow is installed and can read it.

    Raises `BadImage` for what is no photo at all, `ImageTooLarge` for too many pixels, or for more than 32 MiB that
    could not be downsized.
    """
    keep_silent(EXIF)
    if isinstance(photo, (bytes, bytearray, memoryview)):
        image = _downsized_bytes(bytes(photo))
    elif isinstance(photo, (str, os.PathLike)):
        image = _downsized_bytes(_read(Path(photo)))
    elif hasattr(photo, "convert") and hasattr(photo, "save"):
        image = _picture_bytes(photo)
    else:
        raise BadImage(f"a photo is bytes, a path, a PIL image or a PhotoUri, not {type(photo).__name__}.")
    if len(image) > MAX_IMAGE_BYTES:
        raise ImageTooLarge(
            f"the photo has {len(image)} bytes; the limit is {MAX_IMAGE_BYTES}. Send a smaller copy; "
            "for most photos songlens makes one by itself where songlens[photos] is installed."
        )
    return image


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        # The name of a file may tell who is on the photo, and apps log errors together with their causes.
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadImage(f"the photo cannot be read: {reason or type(error).__name__}.") from None


def _is_known_as_small(image: bytes) -> bool:
    """Say so for what Pillow cannot read, or would leave as it is."""
    if not peek.is_photo(image):
        return True
    size = peek.size(image)
    return size is not None and _is_small(len(image), size) and 0 < size[0] * size[1] <= MAX_PIXELS


def _is_small(image_bytes: int, size: tuple[int, int]) -> bool:
    return image_bytes <= _KEEP_BYTES and min(size) <= _KEEP_SHORT_SIDE


def _downsized_bytes(image: bytes) -> bytes:
    if not image:
        raise BadImage("the photo has 0 bytes; send the content of a photo file.")
    if _is_known_as_small(image):
        return image
    try:
        from PIL import Image
    except ImportError:
        return image
    _accept_heic()
    try:
        with Image.open(BytesIO(image), formats=_FORMATS) as photo:
            _check_pixels(photo)
            if _is_small(len(image), photo.size) or not _is_plain(photo):
                return image
            photo.draft("RGB", (SHORT_SIDE * _JPEG_HEADROOM, SHORT_SIDE * _JPEG_HEADROOM))
            return _jpeg(photo)
    except (ImageTooLarge, Image.DecompressionBombError):
        raise ImageTooLarge(_too_many_pixels()) from None
    except Exception:
        return image  # Pillow's plugins raise almost anything on hostile bytes; the worker says what is wrong


def _picture_bytes(photo: Image.Image) -> bytes:
    """Return a picture that the app holds, which is left as it is."""
    _check_pixels(photo)
    try:
        return _jpeg(photo) if _is_plain(photo) else _tiff(photo)
    except Exception as error:
        raise BadImage(f"the picture cannot be turned into a photo file: {error}") from error


def _accept_heic() -> None:
    """HEIC is what iPhones write; registering twice does no harm."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _too_many_pixels() -> str:
    return f"the photo has more than {MAX_PIXELS // 1_000_000} megapixels; send a smaller copy."


def _check_pixels(photo: Image.Image) -> None:
    if photo.width * photo.height > MAX_PIXELS:
        raise ImageTooLarge(_too_many_pixels())


def _is_plain(photo: Image.Image) -> bool:
    """16-bit and floating-point pixels have a meaning that only the worker's decoder keeps."""
    return not photo.mode.startswith(("I", "F"))


def _tiff(photo: Image.Image) -> bytes:
    """Return the levels as they are."""
    out = BytesIO()
    photo.save(out, "TIFF")
    return out.getvalue()


def _jpeg(photo: Image.Image) -> bytes:
    upright = _on_white(_upright(photo))
    scale = SHORT_SIDE / min(upright.size)
    if scale < 1:
        upright = upright.resize((max(1, round(upright.width * scale)), max(1, round(upright.height * scale))))
    out = BytesIO()
    upright.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def _upright(photo: Image.Image) -> Image.Image:
    from PIL import ImageOps

    photo.load()
    try:
        return ImageOps.exif_transpose(photo)
    except Exception:
        return photo  # a photo whose metadata is damaged is still a photo


def _on_white(photo: Image.Image) -> Image.Image:
    """Return RGB; what is transparent is shown on white, as the worker's decoder does."""
    from PIL import Image

    if not photo.has_transparency_data:
        return photo.convert("RGB")
    rgba = photo.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
