"""Two ways to resize a photo that look the same, and which is taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from songlens_workers.vision import resize as module
from songlens_workers.vision.preprocess import Interpolation
from songlens_workers.vision.resize import by_pillow, by_the_quickest, by_torch


def photo(width: int, height: int, seed: int, grain: int = 1) -> Image.Image:
    """Noise, in squares of `grain` pixels that run into each other."""
    small = np.random.default_rng(seed).integers(
        0, 256, (max(1, height // grain), max(1, width // grain), 3), dtype=np.uint8
    )
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@given(
    width=st.integers(1, 700),
    proportion=st.floats(1 / 8, 2),
    short_side=st.integers(64, 300),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    grain=st.sampled_from([1, 4, 40]),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_both_ways_are_the_same_to_the_eye(
    width: int, proportion: float, short_side: int, interpolation: Interpolation, grain: int, seed: int
) -> None:
    """Made larger and smaller: no pixel differs by more than two levels of 255."""
    picture = photo(width, max(1, int(width * proportion)), seed, grain)
    scale = short_side / min(picture.size)
    size = (int(picture.height * scale), int(picture.width * scale))
    quick, plain = by_torch(picture, size, interpolation), by_pillow(picture, size, interpolation)
    assert quick.shape == plain.shape == (*size, 3)
    assert quick.dtype == plain.dtype == np.uint8
    assert np.abs(quick.astype(int) - plain.astype(int)).max() <= 2


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_hardly_a_pixel_differs_at_all(interpolation: Interpolation) -> None:
    """Of a photo as apps send them."""
    picture = photo(500, 375, 1, grain=20)
    quick, plain = (way(picture, (256, 341), interpolation) for way in (by_torch, by_pillow))
    assert np.mean(quick != plain) < 0.03


def test_the_way_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's without AVX2, and for photos whose copies would take too much memory."""
    picture = photo(500, 375, 2)
    quick, plain = by_torch(picture, (256, 341), "bilinear"), by_pillow(picture, (256, 341), "bilinear")
    assert (quick != plain).any()
    for avx2, most, expected in ((True, 500 * 375, quick), (True, 500 * 375 - 1, plain), (False, 500 * 375, plain)):
        monkeypatch.setattr(module, "_has_avx2", lambda avx2=avx2: avx2)
        monkeypatch.setattr(module, "_MOST_COPIED_PIXELS", most)
        np.testing.assert_array_equal(by_the_quickest(picture, (256, 341), "bilinear"), expected)
