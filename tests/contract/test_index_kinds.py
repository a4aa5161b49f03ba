"""Every kind of image index, written as a build writes it and opened as a worker opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_indexes import write_kind

from songlens_shared.errors import ModelDamaged
from songlens_workers.models.manifest import IMAGE_CODE_TERMS, IMAGE_INDEX
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index import opening, products
from songlens_workers.vision.index.kinds import IndexKind, files_of
from songlens_workers.vision.index.opening import open_index
from songlens_workers.vision.index.protocol import ImageIndex

Open = Callable[[Features], ImageIndex]

KINDS = list(IndexKind)
EXACT = [IndexKind.FLAT, IndexKind.FLAT16]
PROVED = [IndexKind.FLAT, IndexKind.FLAT16, IndexKind.SQ8, IndexKind.PCA]
"""Exact among the vectors that they hold, which are float16 in some."""


def features(count: int, dimensions: int = 64, seed: int = 0) -> Features:
    """Vectors like those of a backbone after ReLU, all exact in float16: half zeros, and near one another."""
    generator = np.random.default_rng(seed)
    common = np.random.default_rng(99).standard_normal(dimensions)
    vectors = np.maximum(common + generator.standard_normal((count, dimensions)), 0)
    return vectors.astype(np.float16).astype(np.float32)


def brute_force(vectors: Features, queries: Features, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = np.sqrt(((queries[:, None].astype(np.float64) - vectors[None]) ** 2).sum(axis=-1))
    positions = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, positions, axis=1), positions


@pytest.fixture(params=["fast", "plain"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Products as this processor makes them best, and as one without such instructions makes them."""
    if request.param == "plain":
        monkeypatch.setattr(products, "bytes_are_fast", lambda: False)
        monkeypatch.setattr(products, "bfloat16_is_fast", lambda: False)
    monkeypatch.setattr(opening, "_codes_pay", lambda: True)
    return str(request.param)


@pytest.mark.parametrize("kind", PROVED)
@pytest.mark.parametrize(("count", "batch"), [(1, 1), (7, 5), (700, 1), (700, 20), (700, 300)])
def test_finds_what_brute_force_finds(arithmetic: str, tmp_path: Path, kind: IndexKind, count: int, batch: int) -> None:
    """Whatever is compared first, the answer is that of a full search in float64."""
    vectors, queries = features(count), features(batch, seed=1)
    index = open_index(tmp_path, write_kind(tmp_path, kind, vectors))
    distances, positions = index.search(queries, 5)
    expected, nearest = brute_force(vectors, queries, 5)
    np.testing.assert_array_equal(positions, nearest)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", PROVED)
def test_what_codes_cannot_tell_apart_is_told_apart(arithmetic: str, tmp_path: Path, kind: IndexKind) -> None:
    """Vectors that differ by far less than a code can say are ranked by their true distance, ties by position."""
    base = features(1, dimensions=128)[0] + 4
    vectors = np.repeat(base[None], 300, axis=0)
    vectors[:, 0] += np.random.default_rng(3).permutation(300).astype(np.float32) // 2 / 256
    vectors = np.concatenate([vectors, features(100, 128, seed=5)])
    index = open_index(tmp_path, write_kind(tmp_path, kind, vectors))
    np.testing.assert_array_equal(index.search(base[None], 40)[1], brute_force(vectors, base[None], 40)[1])


@pytest.mark.parametrize("kind", EXACT)
def test_exact_kinds_hold_vectors_of_any_size(arithmetic: str, tmp_path: Path, kind: IndexKind) -> None:
    """Of float32 nothing is lost: vectors that float16 cannot hold are ranked exactly."""
    vectors = features(200) * np.float32(1e6) + np.random.default_rng(4).standard_normal((200, 64)).astype(np.float32)
    index = open_index(tmp_path, write_kind(tmp_path, kind, vectors))
    np.testing.assert_array_equal(index.search(vectors[:9], 20)[1], brute_force(vectors, vectors[:9], 20)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_finds_itself(tmp_path: Path, kind: IndexKind) -> None:
    """A catalogue image sent as a photo comes back first, at distance 0."""
    vectors = features(500)
    distances, positions = open_index(tmp_path, write_kind(tmp_path, kind, vectors)).search(vectors[:70], 1)
    np.testing.assert_array_equal(positions[:, 0], np.arange(70))
    assert distances.max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_asking_for_more_than_there_is(tmp_path: Path, kind: IndexKind) -> None:
    """Every vector comes back once, and no made-up position, however few clusters are looked at."""
    vectors = features(90)
    index = open_index(tmp_path, write_kind(tmp_path, kind, vectors))
    positions = index.search(features(3, seed=2), 200)[1]
    assert np.sort(positions, axis=1).tolist() == [list(range(90))] * 3
    assert (len(index), index.dimensions) == (90, 64)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_queries_are_refused(tmp_path: Path, kind: IndexKind) -> None:
    """Another dimension, values that are no numbers and k < 1 are errors, not wrong answers."""
    index = open_index(tmp_path, write_kind(tmp_path, kind, features(30)))
    with pytest.raises(ValueError, match=r"queries must be \(N, 64\); got \(2, 63\)"):
        index.search(features(2)[:, :63], 5)
    with pytest.raises(ValueError, match="finite"):
        index.search(np.full((1, 64), np.nan, np.float32), 5)
    with pytest.raises(ValueError, match="k must be 1 or more"):
        index.search(features(1), 0)
    assert index.search(features(0), 5)[0].shape == (0, 5)


DAMAGED = [(kind, name) for kind in KINDS for name in sorted(files_of(kind))]


@pytest.mark.parametrize(("kind", "name"), DAMAGED, ids=[f"{kind}-{name}" for kind, name in DAMAGED])
def test_damaged_files_are_refused(arithmetic: str, tmp_path: Path, kind: IndexKind, name: str) -> None:
    """Any file of any kind missing, empty, cut or of another kind: a damaged model, never a crash."""
    entry = write_kind(tmp_path, kind, features(300))
    sound = (tmp_path / name).read_bytes()
    for length in (0, 3, 40, 100, len(sound) // 2, len(sound) - 4096):
        (tmp_path / name).write_bytes(sound[: max(0, length)])
        with pytest.raises(ModelDamaged):
            open_index(tmp_path, entry)
    (tmp_path / name).write_bytes(b"this is not an index" * 1000)
    with pytest.raises(ModelDamaged):
        open_index(tmp_path, entry)
    (tmp_path / name).unlink()
    with pytest.raises(ModelDamaged):
        open_index(tmp_path, entry)


@pytest.mark.parametrize("kind", [IndexKind.FLAT16, IndexKind.SQ8, IndexKind.PCA, IndexKind.IVF])
def test_files_of_different_catalogues_do_not_go_together(arithmetic: str, tmp_path: Path, kind: IndexKind) -> None:
    """Codes of another catalogue would find anything; they are refused."""
    entry = write_kind(tmp_path / "one", kind, features(300))
    write_kind(tmp_path / "other", kind, features(301))
    (tmp_path / "other" / IMAGE_INDEX).rename(tmp_path / "one" / IMAGE_INDEX)
    with pytest.raises(ModelDamaged, match="has 301 vectors of 64 dimensions and codes of 300 with 64"):
        open_index(tmp_path / "one", entry)


def test_spoilt_bounds_are_refused(arithmetic: str, tmp_path: Path) -> None:
    """What codes leave out must be numbers: without them nothing is proved."""
    entry = write_kind(tmp_path, IndexKind.SQ8, features(300))
    terms = np.load(tmp_path / IMAGE_CODE_TERMS)
    terms[2, 7] = np.nan
    np.save(tmp_path / IMAGE_CODE_TERMS, terms)
    with pytest.raises(ModelDamaged, match="does not go with its terms"):
        open_index(tmp_path, entry)


def test_a_kind_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """The sentence names the kind."""
    entry = write_kind(tmp_path, IndexKind.FLAT, features(3)).model_copy(update={"kind": "hnsw"})
    with pytest.raises(ModelDamaged, match="hnsw"):
        open_index(tmp_path, entry)


def test_flat16_without_fast_products_is_searched_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a processor without bfloat16 the codes are not even opened, and the answer is the same."""
    vectors = features(300)
    entry = write_kind(tmp_path, IndexKind.FLAT16, vectors)
    monkeypatch.setattr(opening, "_codes_pay", lambda: False)
    (tmp_path / IMAGE_CODE_TERMS).unlink()
    np.testing.assert_array_equal(
        open_index(tmp_path, entry).search(vectors[:5], 9)[1], brute_force(vectors, vectors[:5], 9)[1]
    )
