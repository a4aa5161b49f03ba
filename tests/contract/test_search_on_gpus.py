"""Searching on GPUs finds exactly what brute force finds. Where there is none, indexes for the CPU stand for them.

Everything but the GPU's index itself is the same: how vectors are spread, how results come together, and what float16
cannot tell apart is ranked all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nearest import brute_force, features

from songlens_shared.errors import ConfigError
from songlens_workers.models.manifest import IMAGE_INDEX
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index import gpu
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.index.gpu import SearchOptions, spread
from songlens_workers.vision.index.opening import open_index
from songlens_workers.vision.index.protocol import ImageIndex

Build = Callable[[Features], ImageIndex]
NEEDS_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(faiss.get_num_gpus() == 0, reason="FAISS finds no GPU here"),
]


def on(gpus: int, *, float16: bool = False, shard: bool = True, stand_in: bool = True) -> Build:
    """Return how an index is put on so many GPUs, or on what stands for them."""

    def build(vectors: Features) -> ImageIndex:
        with pytest.MonkeyPatch.context() as patch:
            if stand_in:
                patch.setattr(gpu, "_empty", on_the_cpu)
            numbers = [number % max(1, faiss.get_num_gpus()) for number in range(gpus)]
            return FlatImageIndex.build(vectors).to_gpus(numbers, SearchOptions(float16=float16, shard=shard))

    return build


def on_the_cpu(dimensions: int, gpu: int, float16: bool) -> Any:
    """An empty index of FAISS's for the CPU that holds vectors as a GPU does."""
    if float16:
        return faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2)
    return faiss.IndexFlatL2(dimensions)


STAND_INS = {
    "one": on(1),
    "shards": on(3),
    "replicas": on(3, shard=False),
    "float16": on(1, float16=True),
    "float16 shards": on(2, float16=True),
}
GPUS = {
    "gpu": on(1, stand_in=False),
    "gpu shards": on(2, stand_in=False),
    "gpu replicas": on(2, shard=False, stand_in=False),
    "gpu float16": on(1, float16=True, stand_in=False),
    "gpu float16 shards": on(2, float16=True, stand_in=False),
}


@pytest.fixture(
    params=[
        *(pytest.param(build, id=name) for name, build in STAND_INS.items()),
        *(pytest.param(build, id=name, marks=NEEDS_GPU) for name, build in GPUS.items()),
    ]
)
def build(request: pytest.FixtureRequest) -> Build:
    """Each way in turn."""
    chosen: Build = request.param
    return chosen


def agrees(index: ImageIndex, vectors: Features, queries: Features, k: int) -> None:
    distances, positions = index.search(queries, k)
    expected, nearest = brute_force(vectors, queries, k)
    np.testing.assert_array_equal(positions, nearest)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 7, 300])
@pytest.mark.parametrize("batch", [1, 5, 70])
def test_finds_what_brute_force_finds(build: Build, count: int, batch: int) -> None:
    """Whatever lies on which GPU, and also where there are fewer vectors than GPUs."""
    vectors = features(count)
    agrees(build(vectors), vectors, features(batch, seed=1), 5)


def test_what_rounding_makes_equal_is_told_apart(build: Build) -> None:
    """Long vectors that differ by less than float16 holds, or the products of float32, are ranked exactly."""
    base = features(1, dimensions=512)[0] * 100
    vectors = np.repeat(base[None], 400, axis=0)
    vectors[:, 0] = base[0] + np.random.default_rng(3).permutation(400).astype(np.float32) * 0.01
    agrees(build(vectors), vectors, base[None], 30)


def one_in_float16() -> tuple[Features, Features]:
    """Return 400 vectors that float16 rounds to one and the same, and a query far from them."""
    vectors = np.zeros((400, 2), np.float32)
    vectors[:, 0] = 1500 + np.random.default_rng(7).uniform(-0.45, 0.45, 400)
    return vectors, np.array([[1200, 0]], np.float32)


def test_the_nearest_of_those_that_float16_makes_equal(build: Build) -> None:
    """It is not among the first candidates, whose distance is the same."""
    vectors, query = one_in_float16()
    agrees(build(vectors), vectors, query, 1)


def test_more_candidates_than_a_gpu_selects(build: Build) -> None:
    """Among thousands of copies the lowest positions are found, which takes more candidates than 2048."""
    vectors = np.concatenate([np.repeat(features(1), 3000, axis=0), features(50, seed=2)])
    distances, positions = build(vectors).search(vectors[:2], 5)
    assert positions.tolist() == [[0, 1, 2, 3, 4]] * 2
    assert distances.max() == 0


def test_photos_that_float16_does_not_hold(build: Build) -> None:
    """Features beyond its largest value are searched all the same."""
    vectors, queries = features(50), features(2, seed=1) * np.float32(1e6)
    np.testing.assert_array_equal(
        build(vectors).search(queries, 5)[1], FlatImageIndex.build(vectors).search(queries, 5)[1]
    )


def test_an_empty_index(build: Build) -> None:
    """Nothing lies on any GPU, and nothing is found."""
    assert build(features(0)).search(features(2), 5)[1].shape == (2, 0)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 60),
    batch=st.integers(1, 4),
    k=st.integers(1, 20),
    dimensions=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_any_small_catalogue(count: int, batch: int, k: int, dimensions: int, seed: int) -> None:
    """On grids full of ties every way agrees with brute force."""
    generator = np.random.default_rng(seed)
    vectors = generator.integers(0, 3, (count, dimensions)).astype(np.float32)
    queries = generator.integers(0, 3, (batch, dimensions)).astype(np.float32)
    for build in STAND_INS.values():
        agrees(build(vectors), vectors, queries, k)


def test_float16_without_its_bound_would_be_wrong() -> None:
    """The same vectors, taken for float32, and another one is the nearest."""
    vectors, query = one_in_float16()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "_empty", lambda dimensions, number, float16: on_the_cpu(dimensions, number, True))
        index = FlatImageIndex.build(vectors).to_gpus([0], SearchOptions())
    assert index.search(query, 1)[1] != brute_force(vectors, query, 1)[1]


def test_features_that_float16_does_not_hold() -> None:
    """A catalogue with values beyond its largest is refused, with what to do."""
    vectors = features(9)
    vectors[3, 2] = -70_000
    with pytest.raises(ConfigError, match=r"search_float16.* too large for it; switch it off"):
        on(1, float16=True)(vectors)


def test_each_gpu_holds_its_share() -> None:
    """Shards hold each vector once, replicas each; every part is filled in one call."""

    class Part(faiss.IndexFlatL2):
        calls = 0

        def add(self, vectors: Features) -> None:
            self.calls += 1
            super().add(vectors)

    vectors = features(100)
    for shard, sizes in ((True, [33, 33, 34]), (False, [100, 100, 100])):
        parts = [Part(64) for _ in range(3)]
        spread(vectors, parts, shard=shard)
        assert [part.ntotal for part in parts] == sizes
        assert [part.calls for part in parts] == [1, 1, 1]


@pytest.mark.parametrize(
    ("devices", "forward", "expected"),
    [
        ((), "cpu", ()),
        ((), "cuda:1", (1,)),
        ((), "cuda", (0,)),
        ((), "cuda:5", ()),
        ((), "mps", ()),
        (("cpu",), "cuda:1", ()),
        (("cuda:1", "cuda:0"), "cpu", (1, 0)),
        (("cuda",), "cpu", (0,)),
    ],
    ids=str,
)
def test_which_gpus_search(devices: tuple[str, ...], forward: str, expected: tuple[int, ...]) -> None:
    """The forward pass's own, where FAISS finds it too, unless others are named."""
    assert SearchOptions(devices=devices).gpus(forward, found=2) == expected


@pytest.mark.parametrize(
    ("devices", "complaint"),
    [
        (("cuda:2",), "there is no cuda:2 for FAISS, which finds 2 GPUs here"),
        (("cuda:0", "cpu"), "'cpu' cannot search; name GPUs"),
        (("cuda:x",), "'cuda:x' cannot search"),
        (("mps",), "'mps' cannot search"),
    ],
    ids=str,
)
def test_devices_that_cannot_search(devices: tuple[str, ...], complaint: str) -> None:
    """They are named, with what can be named instead."""
    with pytest.raises(ConfigError, match=complaint):
        SearchOptions(devices=devices).gpus("cpu", found=2)


def test_an_index_of_a_model_version_goes_to_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flat one is opened where it is to be searched, and finds the same."""
    vectors, made = features(60), []
    FlatImageIndex.build(vectors).save(tmp_path / IMAGE_INDEX)
    monkeypatch.setattr(gpu, "_empty", lambda *how: made.append(how) or on_the_cpu(*how))
    index = open_index(tmp_path, None, [0, 1], SearchOptions(float16=True))
    assert made == [(64, 0, True), (64, 1, True)]
    agrees(index, vectors, features(3, seed=1), 5)
    made.clear()
    agrees(open_index(tmp_path, None), vectors, features(3, seed=1), 5)
    assert not made
