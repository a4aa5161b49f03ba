"""The path from photo to network input is the one that the weights were trained with."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.models import VGG19_Weights

from songlens_shared.errors import ModelDamaged
from songlens_workers.vision import efficientnet_lite2, tiny, vgg19
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Preprocessing
from songlens_workers.vision.resize import Resize, by_pillow, by_torch

ALL = [vgg19.PREPROCESSING, efficientnet_lite2.PREPROCESSING, tiny.PREPROCESSING]


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (300, 300), (640, 333), (257, 901), (100, 80), (224, 225)])
@pytest.mark.parametrize(("resize", "levels"), [(by_pillow, 0), (by_torch, 1)], ids=["by Pillow", "by torch"])
def test_vgg19_preprocessing_is_torchvisions(size: tuple[int, int], resize: Resize, levels: int) -> None:
    """For photos of any shape the network sees what torchvision's own transforms of these weights make of them."""
    generator = np.random.default_rng(size[0])
    photo = Image.fromarray(generator.integers(0, 256, (size[1], size[0], 3), np.uint8))
    buffer = BytesIO()
    photo.save(buffer, "PNG")
    pixels = decode(buffer.getvalue(), vgg19.PREPROCESSING, ImageLimits(), resize=resize)
    seen = (pixels - np.array(vgg19.PREPROCESSING.mean)) / np.array(vgg19.PREPROCESSING.std)
    expected = VGG19_Weights.IMAGENET1K_V1.transforms()(photo).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(seen, expected, atol=1e-5 + levels / min(vgg19.PREPROCESSING.std))


def test_bicubic_is_not_bilinear() -> None:
    """The interpolation of the weights reaches the resize."""
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)).save(buffer, "PNG")
    fields = efficientnet_lite2.PREPROCESSING.to_dict()
    bicubic = decode(buffer.getvalue(), Preprocessing.from_dict(fields), ImageLimits())
    bilinear = decode(buffer.getvalue(), Preprocessing.from_dict(fields | {"interpolation": "bilinear"}), ImageLimits())
    assert bicubic.std() > bilinear.std() + 3


@pytest.mark.parametrize("preprocessing", ALL, ids=["vgg19", "efficientnet_lite2", "tiny"])
def test_survives_the_manifest(preprocessing: Preprocessing) -> None:
    """Written to a manifest as JSON and read back, it is equal."""
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


@pytest.mark.parametrize(
    "change",
    [
        {"crop": 500},
        {"crop": 0},
        {"resize": "large"},
        {"interpolation": "nearest"},
        {"mean": [1, 2]},
        {"mean": None},
        {"std": [1, 0, 1]},
        {"colour": "grey"},
    ],
    ids=str,
)
def test_damaged_manifest_is_named(change: dict[str, Any]) -> None:
    """A manifest whose preprocessing is incomplete, unknown or of no use is refused before any photo is embedded."""
    with pytest.raises(ModelDamaged, match="preprocessing"):
        Preprocessing.from_dict(vgg19.PREPROCESSING.to_dict() | change)


def test_missing_field_is_named() -> None:
    """A manifest that lacks a field is refused."""
    fields = vgg19.PREPROCESSING.to_dict()
    del fields["std"]
    with pytest.raises(ModelDamaged, match="std"):
        Preprocessing.from_dict(fields)
