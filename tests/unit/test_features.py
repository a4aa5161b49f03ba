"""Features are computed once, kept as they come, found again by the content of the image, and never half-written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from songlens_shared.errors import DataError, ModelError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.tables import RejectLog
from songlens_training.model.feature_store import FeatureStore, ShardWriter
from songlens_training.model.features import Extracted, extract_features
from songlens_training.model.image_file import ImageFile
from songlens_workers.vision import tiny
from songlens_workers.vision.backbone import Backbone, Features
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.model import backbone_spec
from songlens_workers.vision.preprocess import Pixels


class CountingBackbone:
    """The tiny network, which counts the images that go through it, and may be broken off."""

    def __init__(self, *, breaks_after: int | None = None) -> None:
        self._network = tiny.load(device="cpu")
        self._breaks_after = breaks_after
        self.embedded = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._network, name)

    def embed(self, pixels: Pixels) -> Features:
        if self._breaks_after is not None and self.embedded >= self._breaks_after:
            raise KeyboardInterrupt
        self.embedded += len(pixels)
        return self._network.embed(pixels)


@pytest.fixture
def images(tmp_path: Path) -> list[CatalogueImage]:
    """Thirty pictures of noise."""
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(5)
    for number in range(30):
        Image.fromarray(random.integers(0, 256, (64, 80, 3), np.uint8)).save(folder / f"{number}.png")
    return [
        CatalogueImage(id=f"i{number}", path=folder / f"{number}.png", keywords={"雪": 1.0}) for number in range(30)
    ]


def store_in(folder: Path) -> FeatureStore:
    return FeatureStore(folder / "features", backbone_spec(tiny.load(device="cpu")))


def extract(
    images: list[CatalogueImage], store: FeatureStore, network: CountingBackbone, rejects: RejectLog | None = None
) -> Extracted:
    return extract_features(images, cast("Backbone", network), store, rejects or RejectLog(), source="test")


def test_an_image_goes_through_the_backbone_once(images: list[CatalogueImage], tmp_path: Path) -> None:
    """A second extraction computes nothing and returns the same features, in the order it was asked for."""
    store, network = store_in(tmp_path), CountingBackbone()
    first = extract(images, store, network).features.matrix()  # (30, 64)
    again = extract(images[::-1], store, network)
    assert (network.embedded, again.computed) == (30, 0)
    np.testing.assert_array_equal(again.features.matrix(), first[::-1])


def test_a_broken_off_extraction_goes_on_where_it_stood(images: list[CatalogueImage], tmp_path: Path) -> None:
    """Ctrl-C after 16 of 30 images: the next run computes the other 14, and nothing differs from an undisturbed run."""
    with pytest.raises(KeyboardInterrupt):
        extract(images, store_in(tmp_path), CountingBackbone(breaks_after=16))
    second = CountingBackbone()
    resumed = extract(images, store_in(tmp_path), second).features.matrix()
    assert second.embedded == 14
    np.testing.assert_array_equal(
        resumed, extract(images, store_in(tmp_path / "other"), CountingBackbone()).features.matrix()
    )


def test_a_changed_image_is_computed_again_and_a_moved_one_is_not(images: list[CatalogueImage], tmp_path: Path) -> None:
    """What counts is the content of the file, not its name."""
    store = store_in(tmp_path)
    before = extract(images[:3], store, CountingBackbone()).features.matrix()
    images[0].path.write_bytes(images[9].path.read_bytes())
    images[1].path.rename(tmp_path / "moved.png")
    moved = CatalogueImage(id="elsewhere", path=tmp_path / "moved.png", keywords={"雪": 1.0})
    network = CountingBackbone()
    after = extract([images[0], moved, images[2]], store, network).features.matrix()
    assert network.embedded == 1
    assert not np.array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1:], before[1:])


def test_bad_images_are_refused_and_named(images: list[CatalogueImage], tmp_path: Path) -> None:
    """One that is no image and one that is gone are refused with their reason; the others keep their order."""
    images[4].path.write_bytes(b"not an image")
    images[7].path.unlink()
    rejects = RejectLog()
    kept = extract(images, store_in(tmp_path), CountingBackbone(), rejects).images
    assert [image.id for image in kept] == [f"i{number}" for number in range(30) if number not in (4, 7)]
    reasons = " ".join(rejects.summary("test").refused)
    assert "cannot be read" in reasons
    assert rejects.summary("test").refused_rows == 2


def test_no_image_left_is_an_error(images: list[CatalogueImage], tmp_path: Path) -> None:
    """When none can be decoded, the source and the number are named."""
    for image in images:
        image.path.write_bytes(b"?")
    with pytest.raises(DataError, match="none of the 30 images of test can be decoded"):
        extract(images, store_in(tmp_path), CountingBackbone())


def test_a_damaged_shard_is_computed_again(images: list[CatalogueImage], tmp_path: Path) -> None:
    """A shard that was cut short is as if it were not there."""
    store = store_in(tmp_path)
    before = extract(images, store, CountingBackbone()).features.matrix()
    (shard,) = store.folder.glob("*.npz")
    shard.write_bytes(shard.read_bytes()[:1000])
    network = CountingBackbone()
    np.testing.assert_array_equal(extract(images, store, network).features.matrix(), before)
    assert network.embedded == 30


def test_other_weights_have_another_folder(tmp_path: Path) -> None:
    """Features of unlike weights can never be mixed up."""
    spec = backbone_spec(tiny.load(device="cpu"))
    other = spec.model_copy(update={"weights_sha256": "0" * 64})
    assert FeatureStore(tmp_path, spec).folder != FeatureStore(tmp_path, other).folder


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: `ModelError` names the folder, and nothing half-written is left."""
    store = store_in(tmp_path)
    store.folder.parent.mkdir()
    store.folder.write_text("in the way")
    with pytest.raises(ModelError, match="features cannot be kept in"):
        store.add([b"0" * 32], np.zeros((1, 64), np.float32))


def test_shards_are_written_in_time(tmp_path: Path) -> None:
    """A shard is written once it is 20 seconds old, though it is not full."""
    store, now_s = store_in(tmp_path), [0.0]
    with ShardWriter(store, clock_s=lambda: now_s[0]) as writer:
        writer.add([b"0" * 32], np.zeros((1, 64), np.float32))
        assert store.held() == set()
        now_s[0] = 21.0
        writer.add([b"1" * 32], np.zeros((1, 64), np.float32))
        assert store.held() == {b"0" * 32, b"1" * 32}


def test_the_index_is_filled_in_place(images: list[CatalogueImage], tmp_path: Path) -> None:
    """An index filled from the store finds what one built from the matrix finds, also after saving and loading."""
    features = extract(images, store_in(tmp_path), CountingBackbone()).features
    filled = FlatImageIndex.filled(len(features), features.dimensions, features.copy_into)
    filled.save(tmp_path / "images.faiss")
    built = FlatImageIndex.build(features.matrix())
    for index in (filled, FlatImageIndex.load(tmp_path / "images.faiss")):
        for ours, theirs in zip(index.search(features.matrix(), 5), built.search(features.matrix(), 5), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_an_index_is_not_filled_with_nonsense() -> None:
    """Values that are not finite are refused."""
    with pytest.raises(ValueError, match="finite"):
        FlatImageIndex.filled(3, 4, lambda rows: rows.fill(np.nan))


def half_store(folder: Path) -> FeatureStore:
    return FeatureStore(folder / "features", backbone_spec(tiny.load(device="cpu")), dtype="float16")


def test_float16_takes_half_and_is_rounded_once(images: list[CatalogueImage], tmp_path: Path) -> None:
    """What comes back is float32, equal to the features rounded to float16; the rows take half the disk."""
    exact = extract(images, store_in(tmp_path / "exact"), CountingBackbone()).features.matrix()
    half = extract(images, half_store(tmp_path), CountingBackbone()).features.matrix()
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, exact.astype(np.float16).astype(np.float32))
    (shard,) = half_store(tmp_path).folder.glob("*.npz")
    with np.load(shard) as arrays:
        assert arrays["features"].nbytes == exact.nbytes // 2


def test_who_wants_float32_never_gets_rounded_rows(images: list[CatalogueImage], tmp_path: Path) -> None:
    """They are computed again; who wants float16 takes exact rows too, and rounds them: either way the same numbers."""
    rounded = extract(images[:10], half_store(tmp_path), CountingBackbone()).features.matrix()
    exact = CountingBackbone()
    extract(images, store_in(tmp_path), exact)
    assert exact.embedded == 30
    half = CountingBackbone()
    mixed = extract(images, half_store(tmp_path), half).features.matrix()
    assert half.embedded == 0
    np.testing.assert_array_equal(mixed[:10], rounded)
    np.testing.assert_array_equal(mixed, mixed.astype(np.float16).astype(np.float32))


def test_numbers_beyond_float16_are_refused(tmp_path: Path) -> None:
    """None is kept as infinite; the sentence says what to take instead."""
    store = half_store(tmp_path)
    with pytest.raises(ModelError, match=r"70000, does not fit into float16.*--features-dtype float32"):
        store.add([b"0" * 32], np.full((1, 64), 70000, np.float32))
    assert store.held() == set()


def test_what_is_computed_elsewhere_is_not_computed_here(images: list[CatalogueImage], tmp_path: Path) -> None:
    """The others are asked once, for all images that can be read; what they leave out is computed here."""
    whole = extract(images, store_in(tmp_path / "other"), CountingBackbone()).features.matrix()
    images[7].path.unlink()
    asked: list[list[ImageFile]] = []

    def elsewhere(files: Sequence[ImageFile], store: FeatureStore) -> int:
        asked.append(list(files))
        store.add([image.digest for image in files[:20]], whole[[*range(7), *range(8, 21)]])
        return 20

    network = CountingBackbone()
    found = extract_features(
        images, cast("Backbone", network), store_in(tmp_path), RejectLog(), source="test", elsewhere=elsewhere
    )
    assert (len(asked), len(asked[0])) == (1, 29)
    assert (found.elsewhere, found.computed, network.embedded) == (20, 9, 9)
    np.testing.assert_allclose(found.features.matrix(), np.delete(whole, 7, axis=0), atol=1e-6)
