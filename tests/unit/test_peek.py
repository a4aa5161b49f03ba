"""How large a photo is by its first bytes: what Pillow says, or nothing."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from songlens.peek import is_photo, size
from songlens.photo import goes_as_it_is

pillow_heif.register_heif_opener()
THUMBNAIL = b"Exif\0\0" + b"\xff\xc0\0\x11\x08\0\x01\0\x01" * 1000


def encode(format: str, width: int, height: int, **options: Any) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), "red").save(out, format, **options)
    return out.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF"])
def test_every_format_is_told_by_its_beginning(format: str) -> None:
    """What Pillow could make smaller is told as a photo; other bytes are not."""
    assert is_photo(encode(format, 8, 6))
    assert not is_photo(b"a photo")
    assert not is_photo(b"")


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"exif": THUMBNAIL}, {"quality": 100}],
    ids=["plain", "progressive", "thumbnail", "quality"],
)
def test_sides_of_a_jpeg(options: dict[str, Any]) -> None:
    """The frame's own, wherever it stands; a frame of the thumbnail inside the EXIF is passed over."""
    width, height = size(encode("JPEG", 300, 200, **options)) or (0, 0)
    assert sorted((width, height)) == [200, 300]


def test_sides_of_a_png() -> None:
    """They stand at a fixed place."""
    assert size(encode("PNG", 300, 200)) == (300, 200)


@pytest.mark.parametrize("length", range(0, 700, 7))
def test_what_is_cut_short(length: int) -> None:
    """Bytes that end anywhere tell a right size or none, and raise nothing."""
    image = encode("JPEG", 300, 200)[:length]
    assert sorted(size(image) or (200, 300)) == [200, 300]


def test_segments_without_an_end() -> None:
    """A file of nothing but headers is given up after a hundred of them."""
    assert size(b"\xff\xd8" + b"\xff\xe0\0\2" * 100_000) is None


@pytest.mark.parametrize(
    ("photo", "told"),
    [
        (encode("JPEG", 480, 640), True),
        (encode("JPEG", 481, 640), False),
        (encode("PNG", 480, 640), True),
        (encode("PNG", 480, 640) + b"x" * 256 * 1024, False),
        (encode("WEBP", 8, 8), False),
        (encode("PNG", 8, 8).replace(b"\0\0\0\x08", b"\x7f\0\0\0", 1), False),
        (b"no photo at all", True),
        (b"", False),
        (bytearray(b"no photo at all"), False),
        ("photo.jpg", False),
    ],
    ids=["small", "wide", "png", "many bytes", "webp", "bomb", "bytes", "none", "mutable", "path"],
)
def test_what_needs_no_thread(photo: Any, told: bool) -> None:
    """Whatever has to be opened, refused, copied or read from a file is left to `photo_content`."""
    assert goes_as_it_is(photo) is told
