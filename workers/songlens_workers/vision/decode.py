"""From the bytes of a photo to the pixels that a backbone takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from pillow_heif import HeifImageFile

from songlens_shared.errors import BadImage, ImageTooLarge, RequestError
from songlens_shared.private_logs import EXIF, keep_silent
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels, Preprocessing
from songlens_workers.vision.resize import Resize, by_the_quickest

# EXIF 2.32, tag 0x0112: what to do to the stored picture to see it upright.
_ORIENTATION_TAG = 0x0112
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
}

# A JPEG is scaled while it is decoded to no less than this many times the target: the largest difference from a full
# decode is then 5 levels of 255 (14 at once the target), and a 12-megapixel photo is 4.5 times as fast.
_JPEG_HEADROOM = 2

# Past this aspect ratio the ends, which the centre crop drops anyway, are cut off before the resize: a strip of
# 20,000 x 1 pixels would otherwise be blown up to 5,120,000 x 256.
_MAX_ASPECT_RATIO = 8


def decode(
    image: bytes, preprocessing: Preprocessing, limits: ImageLimits, *, resize: Resize = by_the_quickest
) -> Pixels:
    """Decode, turn upright, resize and crop one photo.

    JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP and TIFF in any mode; the first frame of an animation; transparency is
    shown on white. Thread-safe. By default torch resizes where that is quicker; `by_pillow` does without torch.

    Returns uint8 (crop, crop, 3), red, green, blue.
    Raises `BadImage` when the bytes are no photo, and `ImageTooLarge`, before any pixel is decoded, when it is past
    the limits.
    """
    if not image:
        raise BadImage("The photo has 0 bytes; send the content of a photo file.")
    limits.check_bytes(len(image))
    with _pillow_errors():
        photo = _open(image)
        limits.check_pixels(*photo.size)
        full_size = _load(photo, preprocessing.resize)
        upright = _upright(photo, _resized(_to_rgb(photo), full_size, preprocessing, resize))
        return np.array(_centre_crop(upright, preprocessing.crop), order="C")


@dataclass(frozen=True, kw_only=True)
class PhotoHeader:
    """What the first bytes of a photo say: Pillow's name of its format, and its size in pixels."""

    format: str
    width: int
    height: int


def read_header(image: bytes, limits: ImageLimits) -> PhotoHeader:
    """Return what the header says; no pixel is decoded.

    Raises `BadImage` when the bytes are no photo, and `ImageTooLarge` when it is past the limits.
    """
    limits.check_bytes(len(image))
    with _pillow_errors():
        photo = _open(image)
        limits.check_pixels(*photo.size)
        return PhotoHeader(format=photo.format or "", width=photo.width, height=photo.height)


@contextmanager
def _pillow_errors() -> Iterator[None]:
    """Let nothing but request errors out: Pillow's plugins raise almost any exception on hostile bytes."""
    _silence_pillow()
    try:
        yield
    except RequestError:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageTooLarge("The photo needs more memory than there is; send a smaller copy.") from error
    except Exception as error:
        raise BadImage("The photo is damaged or cut short and cannot be decoded; send it again.") from error


def _silence_pillow() -> None:
    """Ignore Pillow's warnings about odd metadata, and keep metadata out of its log.

    `warnings.catch_warnings` would not be thread-safe.
    """
    keep_silent(EXIF)
    pillow_is_ignored = any(
        action == "ignore" and module is not None and getattr(module, "pattern", module) == "PIL"
        for action, _, _, module, _ in warnings.filters
    )
    if not pillow_is_ignored:
        warnings.filterwarnings("ignore", module="PIL")


def _open(image: bytes) -> ImageFile.ImageFile:
    """Read the header only.

    The plugin is chosen from the first bytes, not by `Image.open`, whose formats and pixel limit are settings of the
    whole process that any other library may change.
    """
    opener = _opener(image)
    if opener is None:
        raise BadImage("The bytes are not a photo; send a JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF file.")
    return opener(BytesIO(image), "")


def _opener(image: bytes) -> Callable[[BytesIO, str], ImageFile.ImageFile] | None:
    """Return what opens this format; None when it is none that we accept."""
    if image[4:8] == b"ftyp":
        return _iso_media_opener(image)
    openers: tuple[tuple[tuple[bytes, ...], Callable[[BytesIO, str], ImageFile.ImageFile]], ...] = (
        ((b"\xff\xd8\xff",), JpegImagePlugin.jpeg_factory),
        ((b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
        ((b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
        ((b"BM",), BmpImagePlugin.BmpImageFile),
        ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
    )
    for signatures, opener in openers:
        if image.startswith(signatures):
            return opener
    is_webp = image[:4] == b"RIFF" and image[8:12] == b"WEBP"
    return WebPImagePlugin.WebPImageFile if is_webp else None


def _iso_media_opener(image: bytes) -> Callable[[BytesIO, str], ImageFile.ImageFile] | None:
    """HEIC and AVIF share a container (ISO/IEC 14496-12); the brands of its `ftyp` box tell them apart."""
    brands = image[8 : min(int.from_bytes(image[:4], "big"), 256)]
    if b"avif" in brands or b"avis" in brands:
        return AvifImagePlugin.AvifImageFile
    if any(brand in brands for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")):
        return HeifImageFile
    return None


def _load(photo: ImageFile.ImageFile, short_side: int) -> tuple[int, int]:
    """Decode the pixels and return the size that the photo has on disk; a large JPEG is scaled while it is decoded."""
    size = photo.size
    scaled = isinstance(photo, JpegImagePlugin.JpegImageFile) and _scale_on_load(photo, short_side)
    photo.load()
    # Some plugins learn the true size only now.
    return size if scaled else photo.size


def _scale_on_load(photo: ImageFile.ImageFile, short_side: int) -> bool:
    wanted = short_side * _JPEG_HEADROOM
    return photo.draft(None, (wanted, wanted)) is not None


def _to_rgb(photo: Image.Image) -> Image.Image:
    """Return the photo in RGB: transparency on white, more than 8 bits a channel scaled down."""
    if photo.mode.startswith("I;16"):
        levels = np.asarray(photo).astype(np.float32) / 257  # 65535 is white
        return Image.fromarray(np.rint(levels).astype(np.uint8)).convert("RGB")
    if photo.mode in ("I", "F"):
        return _stretched(photo)
    if photo.mode == "LAB":
        raise BadImage("The photo is in CIELAB colours, which are not supported; save it in RGB and send it again.")
    if photo.has_transparency_data:
        rgba = photo.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return photo if photo.mode == "RGB" else photo.convert("RGB")


def _stretched(photo: Image.Image) -> Image.Image:
    """Map the darkest value to black and the brightest to white: these modes have no fixed white."""
    values = np.asarray(photo).astype(np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    darkest, brightest = values.min(), values.max()
    levels = (values - darkest) * (255 / max(brightest - darkest, np.finfo(np.float64).tiny))
    return Image.fromarray(np.rint(levels).astype(np.uint8)).convert("RGB")


def _resized(photo: Image.Image, full_size: tuple[int, int], preprocessing: Preprocessing, resize: Resize) -> Pixels:
    """Give the short side `preprocessing.resize` pixels, the long side as torchvision's `Resize` rounds it."""
    if max(full_size) > min(full_size) * _MAX_ASPECT_RATIO:
        photo = _centre_strip(photo)
        full_size = photo.size
    width, height = full_size
    long_side = int(preprocessing.resize * max(full_size) / min(full_size))
    size = (preprocessing.resize, long_side) if width >= height else (long_side, preprocessing.resize)
    return resize(photo, size, preprocessing.interpolation)


def _centre_strip(photo: Image.Image) -> Image.Image:
    longest = min(photo.size) * _MAX_ASPECT_RATIO
    width, height = min(photo.width, longest), min(photo.height, longest)
    left, top = (photo.width - width) // 2, (photo.height - height) // 2
    return photo.crop((left, top, left + width, top + height))


def _upright(photo: ImageFile.ImageFile, resized: Pixels) -> Pixels:
    """Apply the EXIF orientation, on the resized picture because turning a large one costs more."""
    turned = _UPRIGHT.get(_orientation(photo))
    return resized if turned is None else turned(resized)


def _orientation(photo: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none."""
    try:
        orientation = photo.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        # A photo whose metadata is damaged is still a photo.
        return 1
    return orientation if isinstance(orientation, int) else 1


def _centre_crop(pixels: Pixels, side: int) -> Pixels:
    """Keep the centre, rounded as torchvision's `center_crop` rounds."""
    height, width, _ = pixels.shape
    top, left = round((height - side) / 2), round((width - side) / 2)
    return pixels[top : top + side, left : left + side]
