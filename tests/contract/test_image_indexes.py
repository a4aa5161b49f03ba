"""Every image index finds exactly what a brute-force search in float64 finds, on every path that a search can take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nearest import brute_force, features

from songlens_shared.errors import ModelDamaged, ModelError
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.flat import FlatImageIndex

Build = Callable[[Features], FlatImageIndex]


def by_products(vectors: Features) -> FlatImageIndex:
    index = FlatImageIndex(faiss.IndexFlatL2(vectors.shape[1]), max_product_queries=1_000_000)
    index.add(vectors)
    return index


def by_faiss(vectors: Features) -> FlatImageIndex:
    index = FlatImageIndex(faiss.IndexFlatL2(vectors.shape[1]), max_product_queries=0)
    index.add(vectors)
    return index


@pytest.fixture(params=[by_products, by_faiss], ids=["products", "faiss"])
def build(request: pytest.FixtureRequest) -> Build:
    """Each way to search in turn; `FlatImageIndex.build` chooses among them."""
    chosen: Build = request.param
    return chosen


@pytest.mark.parametrize("count", [1, 7, 300])
@pytest.mark.parametrize("batch", [1, 5, 70])
def test_finds_what_brute_force_finds(build: Build, count: int, batch: int) -> None:
    """Positions are those of a full search in float64, and distances are Euclidean, not squared."""
    vectors, queries = features(count), features(batch, seed=1)
    distances, positions = build(vectors).search(queries, 5)
    expected, nearest = brute_force(vectors, queries, 5)
    assert distances.dtype == np.float32
    assert positions.dtype == np.int64
    np.testing.assert_array_equal(positions, nearest)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


def test_a_vector_finds_itself_at_distance_zero(build: Build) -> None:
    """A catalogue image sent as a photo comes back first, at distance 0 and not at an expansion's rounding error."""
    vectors = features(200, dimensions=4096)
    distances, positions = build(vectors).search(vectors[:70], 2)
    assert distances[:, 0].max() == 0
    assert distances[:, 1].min() > 1
    np.testing.assert_array_equal(positions[:, 0], np.arange(70))


def test_near_duplicates_are_told_apart(build: Build) -> None:
    """Long vectors that differ by less than the rounding of |q|^2 - 2 q.x + |x|^2 are still ranked exactly."""
    base = features(1, dimensions=512)[0] * 100
    steps = np.random.default_rng(3).permutation(400)
    vectors = np.repeat(base[None], 400, axis=0)
    vectors[:, 0] = base[0] + steps.astype(np.float32) * 0.01
    distances, positions = build(vectors).search(base[None], 30)
    expected, nearest = brute_force(vectors, base[None], 30)
    np.testing.assert_array_equal(positions, nearest)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


def test_equal_vectors_come_in_order_of_position(build: Build) -> None:
    """Of more copies than fit, those of the lowest positions are returned: the answer never depends on the batch."""
    vectors = np.concatenate([np.repeat(features(1), 500, axis=0), features(50, seed=2)])
    distances, positions = build(vectors).search(vectors[:1], 5)
    assert positions.tolist() == [[0, 1, 2, 3, 4]]
    assert distances.max() == 0


def test_fewer_vectors_than_asked_for(build: Build) -> None:
    """With fewer than k vectors there are fewer columns, and never a made-up position."""
    distances, positions = build(features(3)).search(features(2, seed=1), 5)
    assert distances.shape == positions.shape == (2, 3)
    assert sorted(positions[0].tolist()) == [0, 1, 2]


def test_empty_index_and_empty_batch(build: Build) -> None:
    """No vectors give no columns and no queries give no rows."""
    assert build(features(0)).search(features(2), 5)[1].shape == (2, 0)
    assert build(features(9)).search(features(0), 5)[0].shape == (0, 5)


def test_added_vectors_follow_on(build: Build) -> None:
    """Vectors added later have the next positions and are found like the first."""
    vectors = features(60)
    index = build(vectors[:20])
    for start in (20, 40):
        index.add(vectors[start : start + 20])
    assert (len(index), index.dimensions) == (60, 64)
    np.testing.assert_array_equal(index.search(vectors, 1)[1][:, 0], np.arange(60))


def test_wrong_queries_are_refused(build: Build) -> None:
    """Another dimension, a single vector, values that are no numbers and k < 1 are errors, not wrong answers."""
    index = build(features(9))
    with pytest.raises(ValueError, match=r"queries must be \(N, 64\); got \(2, 63\)"):
        index.search(features(2)[:, :63], 5)
    with pytest.raises(ValueError, match=r"got \(64,\)"):
        index.search(features(1)[0], 5)
    with pytest.raises(ValueError, match="k must be 1 or more"):
        index.search(features(1), 0)
    for value in (np.nan, np.inf):
        spoilt = features(2)
        spoilt[1, 3] = value
        with pytest.raises(ValueError, match="finite"):
            index.search(spoilt, 5)
        with pytest.raises(ValueError, match="finite"):
            index.add(spoilt)
    assert len(index) == 9


def test_takes_any_memory_layout(build: Build) -> None:
    """Views, Fortran order and float64 give the same answer."""
    vectors = features(50)
    index = build(np.asfortranarray(vectors))
    expected = index.search(vectors[:4], 3)
    for queries in (
        np.asfortranarray(vectors[:4]),
        np.repeat(vectors[:4], 2, axis=0)[::2],
        vectors[:4].astype(np.float64),
    ):
        distances, positions = index.search(queries, 3)
        np.testing.assert_array_equal(positions, expected[1])
        np.testing.assert_allclose(distances, expected[0], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 60),
    batch=st.integers(1, 4),
    k=st.integers(1, 20),
    dimensions=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_any_small_catalogue(count: int, batch: int, k: int, dimensions: int, seed: int) -> None:
    """On grids full of ties, every path agrees with brute force on positions, and so with the other paths."""
    generator = np.random.default_rng(seed)
    vectors = generator.integers(0, 3, (count, dimensions)).astype(np.float32)
    queries = generator.integers(0, 3, (batch, dimensions)).astype(np.float32)
    expected, nearest = brute_force(vectors, queries, k)
    for build in (by_products, by_faiss):
        distances, positions = build(vectors).search(queries, k)
        np.testing.assert_array_equal(positions, nearest)
        np.testing.assert_allclose(distances, expected, rtol=1e-6)


def test_file_is_faiss_own(tmp_path: Path) -> None:
    """What is saved is read by plain FAISS as an `IndexFlatL2`, and comes back with the same answers."""
    vectors, queries = features(100), features(3, seed=1)
    index = FlatImageIndex.build(vectors)
    index.save(tmp_path / "images.faiss")
    plain = faiss.read_index(str(tmp_path / "images.faiss"))
    assert isinstance(plain, faiss.IndexFlatL2)
    np.testing.assert_array_equal(plain.search(queries, 5)[1], index.search(queries, 5)[1])
    loaded = FlatImageIndex.load(tmp_path / "images.faiss")
    for one, other in zip(loaded.search(queries, 5), index.search(queries, 5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """A file that is missing, empty, cut at any place, of another kind or spoilt is a damaged model, never a crash."""
    path = tmp_path / "images.faiss"
    with pytest.raises(ModelDamaged, match=r"images\.faiss is missing or damaged"):
        FlatImageIndex.load(path)
    FlatImageIndex.build(features(9, dimensions=8)).save(path)
    sound = path.read_bytes()
    for length in (0, 3, 10, 40, 60, len(sound) - 1):
        path.write_bytes(sound[:length])
        with pytest.raises(ModelDamaged):
            FlatImageIndex.load(path)
    path.write_bytes(b"this is not an index" * 100)
    with pytest.raises(ModelDamaged):
        FlatImageIndex.load(path)
    path.write_bytes(sound[:-4] + np.float32(np.nan).tobytes())
    with pytest.raises(ModelDamaged, match="not finite"):
        FlatImageIndex.load(path)
    faiss.write_index(faiss.IndexFlatIP(8), str(path))
    with pytest.raises(ModelDamaged, match="IndexFlatIP, not an IndexFlatL2"):
        FlatImageIndex.load(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """An index that cannot be written says where, and why it may be."""
    with pytest.raises(ModelError, match=r"cannot be written to .*nowhere"):
        FlatImageIndex.build(features(2)).save(tmp_path / "nowhere" / "images.faiss")


def test_wrong_vectors_make_no_index() -> None:
    """An index is built of a matrix."""
    for wrong in (features(3)[0], np.empty((3, 0), np.float32)):
        with pytest.raises(ValueError, match="must be"):
            FlatImageIndex.build(wrong)


@pytest.mark.parametrize("first", ["torch", "faiss"])
def test_torch_and_faiss_work_in_one_process(first: str) -> None:
    """Whichever is imported first, both compute with threads in one process, in turn and at once, and are right."""
    code = f"""
import {first}
import numpy as np, torch, faiss
from concurrent.futures import ThreadPoolExecutor
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.registry import load_backbone
backbone = load_backbone("tiny", device="cpu", threads=2)
faiss.omp_set_num_threads(2)
pixels = np.random.default_rng(0).integers(0, 256, (80, 56, 56, 3), np.uint8)
features = backbone.embed(pixels)
index = FlatImageIndex.build(features)
def both(_):
    return index.search(backbone.embed(pixels), 1)[1][:, 0]
with ThreadPoolExecutor(4) as pool:
    answers = list(pool.map(both, range(12)))
assert all(np.array_equal(answer, np.arange(80)) for answer in answers)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr


GROW = """
import sys
from pathlib import Path
import numpy as np
from songlens_workers.vision.index.flat import FlatImageIndex

def peak_bytes():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

def ones(rows):
    for row in rows:  # in pieces, as from a store
        row[:] = 1

path, rows = Path(sys.argv[1]), int(sys.argv[2])
FlatImageIndex.filled(2, 4096, ones).save(path.with_suffix(".warm"))
FlatImageIndex.extended(path.with_suffix(".warm"), 2, ones)
before = peak_bytes()
if path.exists():
    FlatImageIndex.extended(path, rows, ones)
else:
    FlatImageIndex.filled(rows, 4096, ones).save(path)
print(peak_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_an_index_takes_its_own_size_and_no_more(tmp_path: Path) -> None:
    """Filled or extended, the peak of memory is under 1.3 times the index."""
    for rows, size in ((6000, 6000), (500, 6500)):
        command = [sys.executable, "-c", GROW, str(tmp_path / "images.faiss"), str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) < 1.3 * size * 4096 * 4
