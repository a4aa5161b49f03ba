"""From a photo's bytes to the pixels of the network, on one thread, beside plain Pillow, and how far they differ."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from songlens_benchmarks.photographs import heic, jpeg
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.turns import in_turns, rate
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels
from songlens_workers.vision.vgg19 import PREPROCESSING

_MOST_DIFFERENCE = 5
"""Levels of 255."""

_FASTEST = "TurboJPEG, scaled, no resize"


def run(effort: Effort) -> Iterator[Row]:
    """Yield photos a second, and the largest difference of a pixel from a plain decode."""
    large, small = ((1600, 1200) if effort.quick else (4000, 3000)), (500, 375)
    photos = {
        f"JPEG, {large[0]} x {large[1]}": jpeg(*large),
        f"JPEG, {small[0]} x {small[1]}": jpeg(*small),
        f"HEIC, {large[0]} x {large[1]}": heic(*large),
    }
    for name, photo in photos.items():
        yield from _rows(name, photo, effort)


def _rows(name: str, photo: bytes, effort: Effort) -> Iterator[Row]:
    is_jpeg = photo.startswith(b"\xff\xd8")
    ways: dict[str, Callable[[], object]] = {"ours": lambda: _ours(photo), "plain": lambda: _plain(photo)}
    if is_jpeg and importlib.util.find_spec("simplejpeg"):
        ways["limit"] = lambda: _scaled(photo)
    least_s = 0.2 if effort.quick else 1.0
    found = in_turns({way: _measure(work, least_s) for way, work in ways.items()}, effort.rounds)
    yield Row(
        what=name,
        value=found["ours"],
        unit="photos/s",
        baseline=Reference("plain Pillow", found["plain"]),
        limit=Reference(_FASTEST, found["limit"]) if "limit" in found else None,
        note=f"{len(photo) / 1e6:.2f} MB."
        + ("" if "limit" in found or not is_jpeg else " simplejpeg is not installed."),
    )
    difference = np.abs(_ours(photo).astype(int) - _plain(photo).astype(int))
    yield Row(
        what=f"largest difference of a pixel, {name}",
        value=float(difference.max()),
        unit="levels",
        target=Target(of="value", at_most=_MOST_DIFFERENCE),
        note=f"{difference.mean():.2f} on average, of 255.",
    )


def _measure(work: Callable[[], object], least_s: float) -> Callable[[], float]:
    return lambda: rate(work, 1, least_s=least_s)


def _ours(photo: bytes) -> Pixels:
    return decode(photo, PREPROCESSING, ImageLimits())


def _plain(photo: bytes) -> Pixels:
    """As torchvision's own transforms do it: all pixels decoded, the short side resized, the centre cut out."""
    with Image.open(BytesIO(photo)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    short = PREPROCESSING.resize
    width, height = (max(short, int(short * side / min(upright.size))) for side in upright.size)
    resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - PREPROCESSING.crop) / 2), round((height - PREPROCESSING.crop) / 2)
    return np.asarray(resized.crop((left, top, left + PREPROCESSING.crop, top + PREPROCESSING.crop)))


def _scaled(photo: bytes) -> object:
    import simplejpeg

    return simplejpeg.decode_jpeg(photo, min_height=PREPROCESSING.resize, min_width=PREPROCESSING.resize)
