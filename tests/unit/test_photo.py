"""What the client makes of the photos that apps hand it."""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
import traceback
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from songlens.photo import MAX_PIXELS, SHORT_SIDE, PhotoUri, file_content, photo_bytes, photo_content
from songlens_shared.errors import BadImage, BadRequest, ImageTooLarge, RequestError
from songlens_shared.messages import MAX_IMAGE_BYTES

pillow_heif.register_heif_opener()


def encode(photo: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    photo.save(out, format, **options)
    return out.getvalue()


def opened(image: bytes) -> Image.Image:
    photo = Image.open(BytesIO(image))
    photo.load()
    return photo


def quarters(width: int, height: int) -> Image.Image:
    """Four corners of four colours: every turn and flip differs."""
    photo = Image.new("RGB", (2, 2))
    photo.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)])
    return photo.resize((width, height), Image.Resampling.NEAREST)


def corners(photo: Image.Image) -> list[tuple[int, ...]]:
    """The colours of the four corners, each channel rounded to full or none."""
    width, height = photo.size
    places = [(x, y) for y in (height // 8, height * 7 // 8) for x in (width // 8, width * 7 // 8)]
    return [tuple(255 * round(level / 255) for level in photo.convert("RGB").getpixel(place)) for place in places]


def colour(photo: Image.Image) -> tuple[int, ...]:
    return photo.convert("RGB").getpixel((photo.width // 2, photo.height // 2))


def near(got: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 4) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(got, expected, strict=True))


UPRIGHT = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_photos_come_out_upright(format: str, orientation: int) -> None:
    """A photo stored turned or mirrored, with the EXIF tag that says so, is queued upright and without the tag."""
    upright = quarters(1200, 900)
    stored = upright.transpose(TURN[orientation]) if orientation in TURN else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    sent = opened(photo_bytes(encode(stored, format, exif=exif.tobytes())))
    assert corners(sent) == UPRIGHT
    assert sent.size == (427, SHORT_SIDE)
    assert 0x0112 not in sent.getexif()


def camera_roll() -> Image.Image:
    """Twelve megapixels with detail of every size."""
    photo = Image.effect_noise((40, 30), 90).resize((4000, 3000), Image.Resampling.BICUBIC)
    for cells in (200, 1000):
        detail = Image.effect_noise((cells, cells * 3 // 4), 60).resize(photo.size)
        photo = Image.blend(photo, detail, 0.4)
    return Image.merge("RGB", (photo, photo.transpose(Image.Transpose.ROTATE_180), photo))


def test_a_camera_roll_photo_is_downsized() -> None:
    """A 12-megapixel JPEG of megabytes becomes less than 100 KB, 320 pixels on the short side, and looks the same."""
    photo = camera_roll()
    image = encode(photo, "JPEG", quality=92)
    assert len(image) > 1_000_000
    sent = photo_bytes(image)
    assert len(sent) < 100_000
    small = opened(sent)
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (427, 320))
    seen, expected = small.resize((85, 64)), photo.resize((85, 64))  # noise of single pixels is what JPEG leaves out
    difference = [abs(a - b) for a, b in zip(seen.tobytes(), expected.tobytes(), strict=True)]
    assert sum(difference) / len(difference) < 3


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF"])
def test_small_photos_pass_as_they_are(format: str) -> None:
    """A photo that is small already is not encoded a second time."""
    image = encode(quarters(320, 240), format)
    assert photo_bytes(image) == image


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF"])
def test_every_format_is_downsized(format: str) -> None:
    """Big photos of every format that the workers take become small JPEGs."""
    sent = opened(photo_bytes(encode(quarters(1600, 1200), format)))
    assert (sent.format, sent.size, corners(sent)) == ("JPEG", (427, 320), UPRIGHT)


@pytest.mark.parametrize(
    ("mode", "level", "format", "expected"),
    [
        ("1", 1, "PNG", (255, 255, 255)),
        ("L", 90, "PNG", (90, 90, 90)),
        ("LA", (90, 255), "PNG", (90, 90, 90)),
        ("LA", (0, 0), "PNG", (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), "PNG", (255, 0, 0)),
        ("RGBA", (255, 0, 0, 0), "PNG", (255, 255, 255)),
        ("RGBA", (255, 0, 0, 128), "WEBP", (255, 127, 127)),
        ("CMYK", (0, 255, 255, 0), "JPEG", (254, 0, 0)),
    ],
)
def test_every_mode_is_shown_as_a_viewer_shows_it(
    mode: str, level: Any, format: str, expected: tuple[int, ...]
) -> None:
    """Grey, black and white, CMYK and transparency (on white) become the colours that a person sees."""
    photo = Image.new(mode, (900, 700), level)
    for sent in (photo_bytes(encode(photo, format)), photo_bytes(photo)):
        assert opened(sent).mode == "RGB"
        assert near(colour(opened(sent)), expected)


def test_palette_with_transparency() -> None:
    """A transparent palette entry is shown on white, an opaque one in its colour."""
    photo = Image.new("P", (900, 700), 0)
    photo.putpalette([10, 20, 30, 200, 100, 50])
    photo.paste(1, (450, 0, 900, 700))
    sent = opened(photo_bytes(encode(photo, transparency=b"\x00\xff")))
    assert near(sent.getpixel((50, 150)), (255, 255, 255))
    assert near(sent.getpixel((380, 150)), (200, 100, 50))


def test_sixteen_bits_are_left_to_the_worker() -> None:
    """Levels past 8 bits pass unchanged as bytes, and losslessly from a PIL image: scaling them is the worker's."""
    photo = Image.new("I;16", (900, 700), 40_000)
    image = encode(photo)
    assert photo_bytes(image) == image
    assert opened(photo_bytes(photo)).getpixel((5, 5)) == 40_000
    assert opened(photo_bytes(Image.new("F", (900, 700), 0.25))).getpixel((5, 5)) == 0.25


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind(kind: type) -> None:
    """Whatever holds the bytes, bytes are queued."""
    image = encode(quarters(100, 100))
    assert photo_bytes(kind(image)) == image
    assert type(photo_bytes(kind(image))) is bytes


def test_paths(tmp_path: Path) -> None:
    """A path is read, given as a string or a Path."""
    path = tmp_path / "雪.png"
    path.write_bytes(encode(quarters(100, 100)))
    assert photo_bytes(path) == photo_bytes(str(path)) == path.read_bytes()


def test_the_content_of_a_file_is_left_as_it_is(tmp_path: Path) -> None:
    """Where features are wanted every byte counts: what would be downsized for songs is sent whole."""
    image = encode(quarters(1600, 1200), "JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(image)
    assert photo_content(image) != image
    for photo in (image, bytearray(image), memoryview(image), path, str(path)):
        assert file_content(photo) == image
    uri = PhotoUri("https://cdn.example.com/a.jpg")
    assert file_content(uri) is uri


def test_what_is_no_file_has_no_content(tmp_path: Path) -> None:
    """A picture is no file yet; a file that is not there or too large is told as for songs."""
    with pytest.raises(BadImage, match="not of Image"):
        file_content(quarters(8, 8))  # type: ignore[arg-type]
    with pytest.raises(BadImage, match="cannot be read"):
        file_content(tmp_path / "none.jpg")
    with pytest.raises(ImageTooLarge, match=f"has {MAX_IMAGE_BYTES + 1} bytes"):
        file_content(bytes(MAX_IMAGE_BYTES + 1))


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    """A missing file, a folder and an impossible name are bad images, with the reason; no log gets to know the name."""
    missing = tmp_path / "who is on it.jpg"
    with pytest.raises(BadImage, match="cannot be read: No such file or directory") as raised:
        photo_bytes(missing)
    assert missing.name not in "".join(traceback.format_exception(raised.value))
    with pytest.raises(BadImage, match="cannot be read: Is a directory"):
        photo_bytes(tmp_path)
    with pytest.raises(BadImage, match="cannot be read: embedded null byte"):
        photo_bytes("a\0b.jpg")


@pytest.mark.parametrize("empty", [b"", bytearray(), memoryview(b"")])
def test_nothing_is_no_photo(empty: Any) -> None:
    """0 bytes are refused before they are queued."""
    with pytest.raises(BadImage, match="0 bytes"):
        photo_bytes(empty)


def test_an_empty_file_is_no_photo(tmp_path: Path) -> None:
    """A file of 0 bytes is refused in the same words."""
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(BadImage, match="0 bytes"):
        photo_bytes(tmp_path / "empty.jpg")


@pytest.mark.parametrize("other", [None, 7, ["a.jpg"], {"image": b""}, object()])
def test_what_is_no_photo_at_all(other: Any) -> None:
    """The type is named, with the types that are taken."""
    with pytest.raises(BadImage, match=f"bytes, a path, a PIL image or a PhotoUri, not {type(other).__name__}"):
        photo_bytes(other)


UNREADABLE = {
    "text": b"This is a letter.\n" * 20_000,
    "truncated": encode(quarters(1600, 1200), "JPEG", quality=100)[:9000],
    "unknown format": encode(quarters(1600, 1200), "PPM"),
    "postscript": encode(quarters(1600, 1200), "EPS"),
    "header only": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("image", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_decoded_here_passes_unchanged(image: bytes) -> None:
    """The worker has the last word on what is a photo; formats that it refuses are not even opened here."""
    assert photo_bytes(image) == image


def bomb(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore")  # as in an app: Pillow warns from 90 megapixels on
@pytest.mark.parametrize("side", [11_000, 20_000])
def test_a_decompression_bomb_is_too_large(side: int) -> None:
    """Kilobytes that would become gigabytes are refused by their header, below Pillow's own limit too."""
    image = bomb(side, side)
    assert len(image) < 100_000
    with pytest.raises(ImageTooLarge, match="more than 120 megapixels; send a smaller copy"):
        photo_bytes(image)


def test_a_picture_with_too_many_pixels_is_too_large() -> None:
    """A PIL image past the limit is refused before it is converted."""
    assert MAX_PIXELS < 20_000 * 10_000
    with pytest.raises(ImageTooLarge):
        photo_bytes(Image.new("1", (20_000, 10_000)))


def test_too_many_bytes_that_cannot_be_downsized() -> None:
    """What stays over the limit is refused with both sizes."""
    with pytest.raises(ImageTooLarge, match=f"has {MAX_IMAGE_BYTES + 1} bytes; the limit is {MAX_IMAGE_BYTES}"):
        photo_bytes(bytes(MAX_IMAGE_BYTES + 1))


def test_the_picture_of_the_app_is_left_as_it_is(tmp_path: Path) -> None:
    """A PIL image that the app goes on using keeps its size, mode and pixels, opened lazily or not."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(quarters(3000, 2000), "JPEG"))
    with Image.open(path) as photo:
        sent = opened(photo_bytes(photo))
        assert (sent.size, corners(sent)) == ((480, 320), UPRIGHT)
        assert (photo.size, photo.mode, corners(photo)) == ((3000, 2000), "RGB", UPRIGHT)


def test_pictures_that_cannot_be_encoded() -> None:
    """A PIL image without pixels, or of a file that is closed, is a bad image with the reason."""
    closed = Image.open(BytesIO(encode(quarters(10, 10))))
    closed.close()
    for photo in (Image.new("RGB", (0, 0)), closed, Image.new("RGB", (70_000, 10))):
        with pytest.raises(BadImage, match="cannot be turned into a photo file"):
            photo_bytes(photo)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (30, 20_000)])
def test_any_shape(size: tuple[int, int]) -> None:
    """A pixel, a line and a strip have no short side to scale; they come through in their colour."""
    image = photo_bytes(Image.new("RGB", size, (9, 99, 199)))
    assert near(colour(opened(image)), (9, 99, 199))


@pytest.mark.filterwarnings("ignore")  # as in an app: Pillow warns of odd metadata
def test_damaged_metadata_does_not_spoil_the_photo() -> None:
    """A photo whose EXIF cannot be read is queued as it is stored."""
    exif = b"Exif\0\0II*\0\xff\xff\xff\xffgarbage"
    sent = opened(photo_bytes(encode(quarters(1600, 1200), "JPEG", exif=exif)))
    assert (sent.size, corners(sent)) == ((427, 320), UPRIGHT)


SAMPLES = [encode(quarters(600, 500), format) for format in ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "TIFF")]


@settings(max_examples=150, deadline=None)
@given(
    image=st.sampled_from(SAMPLES),
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
)
@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_gives_bytes_or_a_request_error(image: bytes, damage: list[tuple[int, int]]) -> None:
    """Whatever bytes of a photo are changed, something is queued or a request error is raised."""
    damaged = bytearray(image)
    for position, value in damage:
        damaged[position % len(damaged)] = value
    try:
        assert photo_bytes(bytes(damaged))
    except RequestError as refusal:
        assert refusal.code in ("bad_image", "image_too_large")


def test_everything_works_without_pillow(tmp_path: Path) -> None:
    """Where Pillow is not installed, bytes and files pass unchanged, and too many bytes say which extra helps."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(camera_roll(), "JPEG", quality=92))
    code = """
import sys
from pathlib import Path
sys.modules["PIL"] = None
from songlens import ImageTooLarge
from songlens.photo import photo_bytes
path = Path(sys.argv[1])
assert photo_bytes(path) == photo_bytes(path.read_bytes()) == path.read_bytes()
try:
    photo_bytes(bytes(40 << 20))
except ImageTooLarge as error:
    sys.exit("songlens[photos]" not in error.message)
sys.exit("no error")
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_an_address_is_left_as_it_is() -> None:
    """The workers fetch it; nothing is read here. Its text shows nowhere, since it may hold a password."""
    address = PhotoUri("https://cdn.example.com/a.jpg?token=s3cr3t")
    assert photo_content(address) is address
    assert photo_content(b"a photo") == b"a photo"
    assert "s3cr3t" not in repr(address)


@pytest.mark.parametrize("uri", ["", "beach.jpg", "/photos/beach.jpg", "https:/a", 7, None, b"https://a/b"])
def test_what_is_no_address(uri: Any) -> None:
    """A path is no address, and the message says what to do instead."""
    with pytest.raises(BadRequest, match="give a path or bytes"):
        PhotoUri(uri)


@pytest.mark.parametrize(("level", "told"), [(logging.NOTSET, False), (logging.DEBUG, True)])
def test_what_is_written_in_a_photo_is_not_logged(caplog: pytest.LogCaptureFixture, level: int, told: bool) -> None:
    """Not by an app that logs everything either, unless it has asked Pillow for it by name."""
    exif = Image.Exif()
    exif[0x010E] = "at home"  # ImageDescription
    photo = encode(quarters(600, 600), "JPEG", exif=exif)  # a smaller one is not opened at all
    caplog.set_level(logging.DEBUG)
    caplog.set_level(level, logger="PIL.TiffImagePlugin")
    caplog.clear()
    assert b"at home" in photo
    photo_bytes(photo)
    assert ("at home" in caplog.text) == told
