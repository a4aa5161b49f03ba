"""Images that show the same are found by content and by perceptual hash; others are kept apart."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from image_site import picture
from PIL import Image

from songlens_shared.errors import ConfigError
from songlens_training.collect.checks import CheckedImage, ImageChecks, ImageRefused, check_image
from songlens_training.collect.duplicates import DEFAULT_RADIUS_BITS, DistinctImages
from songlens_workers.vision.limits import ImageLimits

CHECKS = ImageChecks()


def checked(content: bytes) -> CheckedImage:
    return check_image(content, CHECKS)


def encoded(image: Image.Image, shape: str = "PNG") -> bytes:
    content = io.BytesIO()
    image.save(content, shape)
    return content.getvalue()


def test_copies_are_one_and_others_are_not() -> None:
    """Re-encoded, resized and converted copies of 40 images give 40 numbers, those of the originals."""
    distinct = DistinctImages(DEFAULT_RADIUS_BITS)
    numbers = [distinct.add(checked(picture(seed))) for seed in range(40)]
    assert numbers == list(range(40))
    for seed in range(40):
        for copy in (
            picture(seed),
            picture(seed, quality=40),
            picture(seed, side=320),
            picture(seed, side=110),
            picture(seed, shape="PNG"),
            picture(seed, shape="WEBP", quality=70),
        ):
            assert distinct.add(checked(copy)) == seed
    assert len(distinct) == 40


def test_without_a_radius_only_equal_content_is_the_same() -> None:
    """None keeps every file that differs in a byte."""
    distinct = DistinctImages(None)
    assert [distinct.add(checked(picture(1, quality=quality))) for quality in (90, 80, 90)] == [0, 1, 0]


def test_the_radius_is_in_bits() -> None:
    """A hash as many bits away as the radius is the same, one bit more is another; a copy's copy leads on."""
    image = replace(checked(picture(1)), perceptual_hash=0)
    others = [replace(image, sha256=str(bits), perceptual_hash=(1 << bits) - 1) for bits in range(64)]
    distinct = DistinctImages(3)
    assert distinct.add(image) == 0
    assert [distinct.add(others[bits]) for bits in (3, 4, 8)] == [0, 1, 2]
    assert distinct.add(replace(image, sha256="3")) == 0


def test_plain_surfaces_are_only_the_same_when_they_are_equal() -> None:
    """A surface of one colour has no perceptual hash, so that blue and red ones are not taken for one another."""
    surfaces = [checked(encoded(Image.new("RGB", (128, 128), colour))) for colour in ("red", "blue", "red")]
    assert [surface.perceptual_hash for surface in surfaces] == [None] * 3
    distinct = DistinctImages(DEFAULT_RADIUS_BITS)
    assert [distinct.add(surface) for surface in surfaces] == [0, 1, 0]


def test_more_images_than_the_first_block_holds() -> None:
    """Thousands of hashes are all remembered."""
    image = checked(picture(1))
    many = [replace(image, sha256=str(number), perceptual_hash=number << 8) for number in range(3000)]
    distinct = DistinctImages(0)
    assert [distinct.add(one) for one in many] == list(range(3000))
    assert [distinct.add(replace(one, sha256=f"copy {one.sha256}")) for one in many] == list(range(3000))


@pytest.mark.parametrize("radius_bits", [-1, 33])
def test_radius_out_of_range(radius_bits: int) -> None:
    """A radius that makes no sense is a ConfigError."""
    with pytest.raises(ConfigError):
        DistinctImages(radius_bits)


def test_what_is_known_of_an_image() -> None:
    """Size in pixels and bytes, and a file name of content hash and true format, whatever the sender called it."""
    content = picture(1, side=200, shape="PNG")
    image = checked(content)
    assert (image.width, image.height, image.image_bytes) == (200, 200, len(content))
    assert image.file_name == f"{image.sha256}.png"
    assert [checked(picture(1, shape=shape)).suffix for shape in ("JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")] == [
        ".jpg", ".webp", ".gif", ".bmp", ".tif", ".avif",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image"),
        (b"<!DOCTYPE html><html></html>", "not an image"),
        (picture(1)[:-2000], "not an image, or a damaged one"),
        (picture(1, side=99), "short side under 100 pixels"),
        (encoded(Image.new("1", (3000, 3000))), "more bytes or pixels than allowed"),
        (encoded(Image.effect_noise((800, 800), 90)), "more bytes or pixels than allowed"),
    ],
)
def test_what_is_refused(content: bytes, reason: str) -> None:
    """Nothing, HTML, half an image, an icon, too many pixels and too many bytes each have their reason."""
    checks = ImageChecks(limits=ImageLimits(max_image_bytes=400_000, max_pixels=1_000_000))
    with pytest.raises(ImageRefused, match=reason):
        check_image(content, checks)
