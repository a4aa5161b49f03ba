"""Generated scenes: what they show can be told from their pictures alone, by the network that serves requests."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from songlens_training.generated.picture import Picture, paint
from songlens_training.generated.themes import THEMES
from songlens_workers.vision.backbone import Backbone, Features
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.registry import load_backbone

IMAGES, QUERIES = 5, 1


def _photos(folder: Path, kind: str, count: int) -> list[bytes]:
    """Return the files of `count` pictures of every theme, themes in order."""
    photos = []
    for theme, number in product(range(len(THEMES)), range(count)):
        picture = Picture(seed=7, kind=kind, theme=theme, number=number)
        (folder / picture.path).parent.mkdir(parents=True, exist_ok=True)
        paint(folder, picture)
        photos.append((folder / picture.path).read_bytes())
    return photos


def _embedded(backbone: Backbone, photos: list[bytes]) -> Features:
    """Return the features, float32 (N, D), as the vision worker computes them."""
    pixels = np.stack([decode(photo, backbone.preprocessing, ImageLimits()) for photo in photos])  # (N, S, S, 3)
    return np.concatenate([backbone.embed(pixels[at : at + 8]) for at in range(0, len(pixels), 8)])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Files of catalogue pictures, IMAGES of each theme."""
    return _photos(tmp_path_factory.mktemp("scenes"), "images", IMAGES)


def test_pictures_have_the_promised_size_and_detail(images: list[bytes]) -> None:
    """Every picture is 320 x 240 RGB and none is a near-empty field: its levels spread by at least 10 of 255."""
    for photo in images:
        picture = Image.open(io.BytesIO(photo))
        assert (picture.size, picture.mode) == ((320, 240), "RGB")
        assert np.asarray(picture.convert("L"), float).std() > 10


def test_pictures_of_a_theme_vary(images: list[bytes]) -> None:
    """No two pictures are alike: shrunk to 32 x 24, within a theme they still differ by 2 levels of 255 on average."""
    small = np.stack(
        [np.asarray(Image.open(io.BytesIO(photo)).resize((32, 24)), np.float32) for photo in images]
    )  # (N, 24, 32, 3)
    themes = small.reshape(len(THEMES), IMAGES, -1)  # (T, IMAGES, 2304)
    for theme, flat in zip(THEMES, themes, strict=True):
        gaps = np.abs(flat[:, None] - flat[None]).mean(axis=2)[np.triu_indices(IMAGES, 1)]
        assert gaps.min() > 2, theme.name


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_nearest_images_are_of_the_same_theme(images: list[bytes], tmp_path: Path) -> None:
    """Of the five catalogue images nearest to a photo by the real backbone's features, 95 % are of its theme."""
    backbone = load_backbone("efficientnet_lite2", device="cpu")
    catalogue = _embedded(backbone, images)  # (T * IMAGES, D)
    queries = _embedded(backbone, _photos(tmp_path, "queries", QUERIES))  # (T * QUERIES, D)
    distances = ((queries[:, None] - catalogue[None]) ** 2).sum(axis=2)
    nearest = np.argsort(distances, axis=1)[:, :5] // IMAGES
    truth = np.arange(len(queries)) // QUERIES
    right = (nearest == truth[:, None]).mean(axis=1).reshape(len(THEMES), QUERIES).mean(axis=1)
    confused = {theme.name: float(share) for theme, share in zip(THEMES, right, strict=True) if share < 1}
    assert right.mean() >= 0.95, confused
