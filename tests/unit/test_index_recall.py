"""Recall is measured against exact search, and a reduced index that is too bad gives way to a better one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_indexes import filling, write_kind

from songlens_shared.errors import ConfigError, DataError
from songlens_training.model.image_index import IndexOptions, check_index_options, write_image_index
from songlens_training.model.index_recall import recall_at_5
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.index.kinds import IndexKind, files_of


def noise(count: int, dimensions: int) -> Features:
    """Vectors without any structure: the hardest case for clusters."""
    return np.random.default_rng(0).standard_normal((count, dimensions)).astype(np.float32)


def test_exact_search_has_recall_one() -> None:
    """Ties count, whichever of them is found, and the image that asks does not."""
    vectors = np.concatenate([noise(300, 8), np.repeat(noise(1, 8), 20, axis=0)])
    assert recall_at_5(FlatImageIndex.build(vectors), vectors) == 1
    assert recall_at_5(FlatImageIndex.build(vectors[:1]), vectors[:1]) == 1


def test_what_is_not_found_is_missed() -> None:
    """An index of half of the vectors, at their places, finds about half of the nearest."""
    vectors = noise(600, 8)
    halved = vectors.copy()
    halved[::2] = 1e4
    assert 0.35 < recall_at_5(FlatImageIndex.build(halved), vectors) < 0.65


def test_clusters_are_probed_until_the_recall_is_there(tmp_path: Path) -> None:
    """More recall takes more clusters, and both stand in the manifest."""
    vectors = noise(3000, 16)
    low, high = (write_kind(tmp_path / f"{floor}", IndexKind.IVF, vectors, recall=floor) for floor in (0.5, 0.99))
    assert low.clusters == high.clusters == 55
    assert low.probed is not None
    assert high.probed is not None
    assert low.probed < high.probed
    assert high.recall_at_5 >= 0.99 > low.recall_at_5


def test_too_low_a_recall_takes_the_next_kind(tmp_path: Path) -> None:
    """Vectors of thirds of float16's last place: reduced kinds cannot tell them apart, and the reason says so."""
    vectors = 1000 + noise(400, 16) / np.float32(100)
    entry = write_kind(tmp_path, IndexKind.PCA, vectors, recall=0.95)
    assert entry.kind == "flat16"
    assert entry.recall_at_5 == 1
    assert "pca was asked for; but pca finds only 0." in entry.why
    assert "but sq8 finds only 0." in entry.why
    assert {path.name for path in tmp_path.iterdir()} == files_of(IndexKind.FLAT16)


@pytest.mark.parametrize("value", [1e5, np.nan, np.inf])
def test_what_float16_cannot_hold_is_refused(tmp_path: Path, value: float) -> None:
    """A clear error before anything is published, and the scratch file is gone."""
    vectors = noise(50, 8)
    vectors[7, 3] = value
    with pytest.raises(DataError, match="--index flat"):
        write_kind(tmp_path, IndexKind.SQ8, vectors)
    assert list(tmp_path.iterdir()) == []


def test_memory_chooses_at_a_build(tmp_path: Path) -> None:
    """The same features get another index where there is less memory."""
    vectors = noise(40_000, 128)
    kinds = []
    for memory_bytes in (64 << 20, 8 << 20, 3 << 20):
        folder = tmp_path / str(memory_bytes)
        folder.mkdir()
        options = IndexOptions(memory_bytes=memory_bytes, recall=0)
        kinds.append(write_image_index(folder, *vectors.shape, filling(vectors), options).kind)
    assert kinds == ["flat16", "sq8", "pca"]


@pytest.mark.parametrize("options", [IndexOptions(recall=1.5), IndexOptions(memory_bytes=0)])
def test_options_out_of_range(options: IndexOptions) -> None:
    """Said before the hours that features may take."""
    with pytest.raises(ConfigError, match="index's"):
        check_index_options(options)
