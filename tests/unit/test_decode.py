"""What becomes of the bytes that people send as photos."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from songlens_shared.errors import BadImage, ConfigError, ImageTooLarge, RequestError
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels, Preprocessing

SMALL = Preprocessing(resize=64, crop=48, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1))
LIMITS = ImageLimits()
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
}
LOSSY: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "AVIF": {"quality": 95}, "HEIF": {"quality": 95}}


def encode(photo: Image.Image, format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    if format == "HEIF":
        pillow_heif.register_heif_opener()
    photo.save(buffer, format, **options)
    return buffer.getvalue()


def scene(width: int = 120, height: int = 90) -> Image.Image:
    """A red top left quarter on smooth green and blue: every flip and turn of it differs."""
    y, x = np.mgrid[0:height, 0:width]
    levels = np.stack([np.zeros_like(x), 255 * y // height, 255 * x // width], axis=-1).astype(np.uint8)
    levels[: height // 2, : width // 2] = (255, 0, 0)
    return Image.fromarray(levels)


def flat(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (80, 60), colour)


def png(width: int, height: int, bit_depth: int, colour_type: int, rows: bytes) -> bytes:
    """Write a PNG by hand: Pillow cannot write 16 bits a channel, or a header that lies."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png16(levels: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of (H, W, channels): 1 grey, 2 grey and alpha, 3 RGB."""
    height, width, channels = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return png(width, height, 16, {1: 0, 2: 4, 3: 2}[channels], rows)


def centre(pixels: Pixels) -> list[int]:
    return [int(level) for level in pixels[24, 24]]


def assert_is_colour(image: bytes, expected: tuple[int, int, int], tolerance: int = 1) -> None:
    pixels = decode(image, SMALL, LIMITS)
    assert pixels.shape == (48, 48, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("format", [*LOSSLESS, *LOSSY])
def test_every_accepted_format_gives_the_same_picture(format: str) -> None:
    """JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP and TIFF of one scene decode to the same picture, up to compression."""
    expected = decode(encode(scene(), "PNG"), SMALL, LIMITS).astype(int)
    got = decode(encode(scene(), format, **(LOSSLESS | LOSSY)[format]), SMALL, LIMITS)
    assert got.flags["C_CONTIGUOUS"]
    assert np.abs(got - expected).mean() < (4 if format in ("GIF", *LOSSY) else 0.01)


@pytest.mark.parametrize(
    ("photo", "format", "expected"),
    [
        (flat("L", 77), "PNG", (77, 77, 77)),
        (flat("1", 1), "PNG", (255, 255, 255)),
        (flat("LA", (100, 255)), "PNG", (100, 100, 100)),
        (flat("LA", (0, 0)), "PNG", (255, 255, 255)),
        (flat("RGBA", (0, 0, 0, 0)), "PNG", (255, 255, 255)),
        (flat("RGBA", (255, 0, 0, 128)), "PNG", (255, 127, 127)),
        (flat("RGBA", (255, 0, 0, 128)), "WEBP", (255, 127, 127)),
        (flat("CMYK", (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (flat("CMYK", (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (flat("I;16", 65535), "PNG", (255, 255, 255)),
        (flat("I;16", 257 * 100), "PNG", (100, 100, 100)),
        (flat("I;16", 257 * 100), "TIFF", (100, 100, 100)),
        (flat("YCbCr", (255, 128, 128)), "TIFF", (255, 255, 255)),
    ],
    ids=lambda value: getattr(value, "mode", None) or str(value),
)
def test_every_mode_becomes_rgb(photo: Image.Image, format: str, expected: tuple[int, int, int]) -> None:
    """Grey, alpha (shown on white), CMYK and 16 bits (scaled, not clipped) give the colours that a viewer shows."""
    assert_is_colour(encode(photo, format), expected, tolerance=2)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_sixteen_bits_a_channel_are_scaled(channels: int) -> None:
    """A 16-bit PNG in the middle of its range is middle grey: scaled, not clipped to white."""
    levels = np.full((60, 80, channels), 257 * 128, np.uint16)
    if channels == 2:
        levels[..., 1] = 65535
    assert_is_colour(png16(levels), (128, 128, 128))


def test_float_tiff_is_stretched_to_its_range() -> None:
    """Floating-point pixels have no fixed white, so the darkest becomes black and the brightest white."""
    ramp = np.tile(np.linspace(-3, 7, 80, dtype=np.float32), (60, 1))
    pixels = decode(encode(Image.fromarray(ramp), "TIFF"), SMALL, LIMITS)
    assert pixels[:, 0].max() < 60
    assert pixels[:, -1].min() > 195
    assert abs(centre(pixels)[0] - 128) < 8


def test_palette_with_transparency_is_shown_on_white() -> None:
    """A transparent entry of a palette becomes white, an opaque one keeps its colour; no warning is raised."""
    photo = flat("P", 0)
    photo.putpalette([10, 20, 30, 200, 100, 50])
    photo.paste(1, (40, 0, 80, 60))
    image = encode(photo, "PNG", transparency=b"\x00\xff")
    pixels = decode(image, SMALL, LIMITS)
    assert pixels[24, 2].tolist() == [255, 255, 255]
    assert pixels[24, 45].tolist() == [200, 100, 50]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_shows_its_first_frame(format: str) -> None:
    """Of several frames or pages the first is the photo."""
    blue = flat("RGB", (0, 0, 255))
    image = encode(flat("RGB", (255, 0, 0)), format, save_all=True, append_images=[blue, blue])
    assert_is_colour(image, (255, 0, 0), tolerance=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (3, 2), (4000, 300)])
def test_any_shape_gives_a_full_picture(size: tuple[int, int]) -> None:
    """One pixel, a line and a panorama all fill the crop, without a strip being blown up to a giant picture."""
    assert_is_colour(encode(Image.new("RGB", size, (9, 99, 199)), "PNG"), (9, 99, 199))


def test_panorama_shows_its_centre() -> None:
    """Cutting the ends off a long strip before the resize leaves the centre where it was."""
    photo = Image.new("RGB", (4001, 100), (0, 0, 0))
    photo.paste((255, 255, 255), (2000, 0, 4001, 100))
    pixels = decode(encode(photo, "PNG"), SMALL, LIMITS)
    assert pixels[:, :23].max() == 0
    assert pixels[:, 25:].min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_exif_orientation_is_applied(format: str, orientation: int) -> None:
    """A photo stored turned or mirrored, with the EXIF tag that says so, decodes like the upright one."""
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = scene(600, 450)
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = decode(encode(stored, format, exif=exif.tobytes()), SMALL, LIMITS).astype(int)
    assert np.abs(got - decode(encode(upright, "PNG"), SMALL, LIMITS)).mean() < 3


def test_damaged_exif_does_not_spoil_the_photo() -> None:
    """A photo whose metadata cannot be read is decoded as it is stored."""
    image = encode(flat("RGB", (30, 60, 90)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert_is_colour(image, (30, 60, 90), tolerance=3)


def photograph(width: int, height: int) -> Image.Image:
    """Noise of many sizes, as strong at each size as in nature."""
    generator = np.random.default_rng(5)
    levels = np.zeros((height, width, 3), np.float32)
    for octave in range(2, 9):
        cells = 2**octave
        noise = generator.uniform(-1, 1, (cells * 3 // 4, cells, 3)).astype(np.float32)
        for channel in range(3):
            layer = Image.fromarray(noise[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            levels[..., channel] += np.asarray(layer) / octave
    levels = 255 * (levels - levels.min()) / (levels.max() - levels.min())
    return Image.fromarray(levels.astype(np.uint8))


def test_large_jpeg_is_scaled_while_decoding_and_hardly_differs() -> None:
    """A JPEG that is decoded at a quarter of its size differs by 5 levels of 255 at most from a full decode."""
    preprocessing = Preprocessing(resize=256, crop=224, interpolation="bilinear", mean=(0, 0, 0), std=(1, 1, 1))
    image = encode(photograph(2100, 2100), "JPEG", quality=90)
    full = encode(Image.open(BytesIO(image)), "PNG", compress_level=0)
    scaled = decode(image, preprocessing, ImageLimits(max_image_bytes=1 << 30)).astype(int)
    difference = np.abs(scaled - decode(full, preprocessing, ImageLimits(max_image_bytes=1 << 30)))
    assert difference.max() <= 5
    assert difference.mean() < 0.5
    assert difference.max() > 0, "the JPEG was decoded in full: draft mode is not in use"


BAD = {
    "nothing": b"",
    "text": b"This is a letter, not a photo.\n" * 100,
    "random": np.random.default_rng(1).bytes(5000),
    "html": b"<html><body>404</body></html>",
    "pdf": b"%PDF-1.7\n" + bytes(1000),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(1000),
    "signature of a PNG": b"\x89PNG\r\n\x1a\n",
    "signature of a JPEG": b"\xff\xd8\xff\xe0",
    "zero width": png(0, 10, 8, 2, b""),
}


@pytest.mark.parametrize("image", BAD.values(), ids=BAD.keys())
def test_what_is_no_photo_is_a_bad_image(image: bytes) -> None:
    """Bytes that are no photo get `bad_image` and a sentence that tells the person what to do."""
    with pytest.raises(BadImage, match=r"send ") as refusal:
        decode(image, SMALL, LIMITS)
    assert refusal.value.code == "bad_image"


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "EPS", "PDF", "PCX", "JPEG2000"])
def test_formats_outside_the_list_are_refused(format: str) -> None:
    """Plugins of Pillow that no camera needs (some run other programs) are never reached."""
    with pytest.raises(BadImage, match="send a JPEG, PNG, WebP, HEIC"):
        decode(encode(flat("RGB", (1, 2, 3)), format), SMALL, LIMITS)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("format", [*LOSSLESS, *LOSSY])
def test_a_truncated_photo_is_a_bad_image(format: str, keep: float) -> None:
    """A photo that was cut off on its way is refused, not shown with a grey rest."""
    image = encode(photograph(160, 120), format)
    with pytest.raises(BadImage, match="send it again"):
        decode(image[: int(len(image) * keep)], SMALL, LIMITS)


SAMPLES = [encode(scene(40, 30), format) for format in (*LOSSLESS, *LOSSY)]


@settings(max_examples=300, deadline=None)
@given(
    image=st.sampled_from(SAMPLES),
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damage_anywhere_gives_pixels_or_a_request_error(image: bytes, damage: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed in a photo of any format, nothing but a picture or a request error comes out."""
    damaged = bytearray(image)
    for position, value in damage:
        damaged[position % len(damaged)] = value
    try:
        pixels = decode(bytes(damaged), SMALL, LIMITS)
    except RequestError as refusal:
        assert refusal.code in ("bad_image", "image_too_large")
    else:
        assert pixels.shape == (48, 48, 3)


def forged_jpeg(side: int) -> bytes:
    image = bytearray(encode(flat("RGB", (1, 2, 3)), "JPEG"))
    frame = image.index(b"\xff\xc0")
    image[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(image)


HUGE = {
    "png": png(20_000, 20_000, 8, 2, b""),
    "jpeg": forged_jpeg(20_000),
    "gif": b"GIF89a" + struct.pack("<HHBBB", 20_000, 20_000, 0, 0, 0)
    + b"," + struct.pack("<HHHHB", 0, 0, 20_000, 20_000, 0) + b"\x02\x01\0\0;",
    "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 20_000, 20_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "bomb": png(20_000, 20_000, 1, 0, bytes(2501 * 20_000)),
}  # fmt: skip


@pytest.mark.parametrize("image", HUGE.values(), ids=HUGE.keys())
def test_too_many_pixels_are_refused_before_decoding(image: bytes) -> None:
    """20,000 x 20,000 pixels are refused from the header alone: all but one of these files have no pixels to decode."""
    assert len(image) < 100_000
    with pytest.raises(ImageTooLarge, match="20000 x 20000 pixels and the limit is 120 megapixels; send a smaller"):
        decode(image, SMALL, LIMITS)


def test_the_photos_of_large_sensors_pass() -> None:
    """The 108 megapixels of today's largest common phone cameras are within the limit, and raise no bomb warning."""
    image = encode(Image.new("L", (12_000, 9_000), 50), "JPEG", quality=20)
    assert_is_colour(image, (50, 50, 50), tolerance=3)


def test_too_many_bytes_are_refused() -> None:
    """The limit on bytes comes first and names both sizes."""
    with pytest.raises(ImageTooLarge, match=r"has 2\.0 MiB and the limit is 1\.0 MiB"):
        decode(bytes(2 << 20), SMALL, ImageLimits(max_image_bytes=1 << 20))


def test_memory_that_runs_out_is_a_request_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `MemoryError` while decoding refuses this photo and does not end the worker."""

    def exhausted(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", exhausted)
    with pytest.raises(ImageTooLarge, match="needs more memory"):
        decode(encode(scene(), "PNG"), SMALL, LIMITS)


def test_limits_must_be_positive() -> None:
    """Limits that would refuse every photo are a mistake in the settings."""
    with pytest.raises(ConfigError):
        ImageLimits(max_pixels=0)


def test_pillow_warnings_stay_inside() -> None:
    """A photo whose odd metadata Pillow warns about is decoded in silence, under any warning filter."""
    entry_past_the_end = struct.pack("<HHII", 0x010E, 2, 1000, 5000)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry_past_the_end + bytes(4)
    image = encode(flat("RGB", (5, 60, 7)), "JPEG", exif=exif)
    with pytest.warns(UserWarning, match="Tag data|corrupt EXIF"):
        Image.open(BytesIO(image)).getexif()
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        assert_is_colour(image, (5, 60, 7), tolerance=3)
    assert not raised


def test_threads_do_not_disturb_each_other() -> None:
    """Photos decoded by eight threads at once come out as they do one by one."""
    images = SAMPLES * 8
    alone = [decode(image, SMALL, LIMITS) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda image: decode(image, SMALL, LIMITS), images))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_settings_of_the_process_are_left_alone() -> None:
    """Decoding neither needs nor changes Pillow's global limits, and registers no plugin."""
    image = encode(scene(), "HEIF")
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, Image.OPEN.pop("HEIF"))
    decode(image, SMALL, LIMITS)
    assert before[:2] == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert "HEIF" not in Image.OPEN


def test_decoding_by_pillow_needs_no_torch(tmp_path: Path) -> None:
    """A process that has no network, such as one that collects images, does without the memory of torch."""
    (tmp_path / "photo.png").write_bytes(encode(scene(), "PNG"))
    code = """
import sys
from pathlib import Path
from songlens_training.collect.checks import ImageChecks, check_image
check_image(Path(sys.argv[1]).read_bytes(), ImageChecks(min_side=1))
sys.exit('torch' in sys.modules)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "photo.png")]
    assert subprocess.run(command, check=False).returncode == 0
