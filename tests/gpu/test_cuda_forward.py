"""The forward pass on a real GPU: captured graphs, fused convolutions and overlapped copies change nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import structlog
import torch
from torch import nn

from songlens_workers.vision import tiny, vgg19
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.cuda import cuda_executor
from songlens_workers.vision.forward.eager import EagerExecutor
from songlens_workers.vision.forward.staged import StagedExecutor
from songlens_workers.vision.preprocess import Pixels, Preprocessing

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]

GPU = torch.device("cuda:0")
REFUSED = ("cuda_graphs_refused", "convolutions_not_fused")


def vgg19_fc2() -> nn.Module:
    """VGG-19 up to fc2 with seeded random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(19)
        return vgg19.VGG19().to_fc2()


def tiny_network() -> nn.Module:
    return tiny.plain(tiny.untrained_network())


NETWORKS = {"tiny": (tiny_network, tiny.PREPROCESSING), "vgg19": (vgg19_fc2, vgg19.PREPROCESSING)}


@pytest.fixture(scope="module", params=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> str:
    """The name of each network in turn."""
    return str(request.param)


def photos(preprocessing: Preprocessing, count: int, seed: int = 0) -> Pixels:
    """Coarse coloured noise: photos that differ as pictures do."""
    side, generator = preprocessing.crop, np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 7, 7, 3), np.uint8)
    fine = -(-side // 7)
    return np.ascontiguousarray(coarse.repeat(fine, axis=1).repeat(fine, axis=2)[:, :side, :side])


def eager(network: str, pixels: Pixels) -> Features:
    make, preprocessing = NETWORKS[network]
    executor = EagerExecutor(make(), preprocessing, GPU)
    return np.concatenate([executor(pixels[start : start + 32]) for start in range(0, len(pixels), 32)])


def on_gpu(network: str, precision: str = "fp32", **options: int) -> StagedExecutor:
    make, preprocessing = NETWORKS[network]
    return cuda_executor(make(), preprocessing, GPU, precision, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def nothing_is_refused() -> Iterator[None]:
    """No test passes because graphs or fused convolutions were given up."""
    with structlog.testing.capture_logs() as logs:
        yield
    assert not [line for line in logs if line["event"] in REFUSED]


def test_fp32_is_fp32(network: str) -> None:
    """Every bucket, odd sizes and more than the largest: the eager features to 1e-4 of their length, not TF32's."""
    executor = on_gpu(network, largest=32, split_from=32)
    pixels = photos(NETWORKS[network][1], 70)
    expected = eager(network, pixels)
    scale = float(np.linalg.norm(expected, axis=1).mean())
    for count in (1, 2, 3, 4, 5, 7, 8, 11, 16, 23, 31, 32, 33, 70):
        np.testing.assert_allclose(executor(pixels[:count]), expected[:count], atol=1e-4 * scale)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bits_find_the_same_neighbours(network: str, precision: str) -> None:
    """Features are near those of fp32, and photos find the neighbours that they find there."""
    preprocessing = NETWORKS[network][1]
    catalogue, noise = photos(preprocessing, 256), np.random.default_rng(5)
    queries = np.clip(catalogue + noise.normal(0, 8, catalogue.shape), 0, 255).astype(np.uint8)
    executor = on_gpu(network, precision)
    assert (executor.precision, executor.device) == (precision, "cuda:0")
    found, expected = executor(catalogue), eager(network, catalogue)
    relative = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert 0 < relative.max() < 0.05
    same = nearest_of(found, executor(queries)) == nearest_of(expected, eager(network, queries))
    assert same.mean() >= 0.98


def nearest_of(catalogue: Features, queries: Features) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    nearest: np.ndarray[tuple[int], np.dtype[np.int64]]
    nearest = ((catalogue**2).sum(axis=1)[None] - 2 * queries @ catalogue.T).argmin(axis=1)
    return nearest


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_same_photos_get_the_same_features(network: str, precision: str) -> None:
    """Again and again, to the last bit, in a batch of the same size; and to rounding in another."""
    executor = on_gpu(network, precision)
    pixels = photos(NETWORKS[network][1], 13)
    expected = executor(pixels)
    for _ in range(5):
        np.testing.assert_array_equal(executor(pixels), expected)
    bound = (1e-3 if precision == "fp32" else 0.05) * np.linalg.norm(expected[4])
    assert np.linalg.norm(executor(pixels[4:5]) - expected[4:5]) <= bound


def test_results_are_not_overwritten(network: str) -> None:
    """What a call has returned stays as it is through the next ones."""
    executor = on_gpu(network, "bf16")
    first, second = (photos(NETWORKS[network][1], 40, seed) for seed in (1, 2))
    found = executor(first)
    kept = found.copy()
    assert (executor(second) != kept).any()
    np.testing.assert_array_equal(found, kept)
    np.testing.assert_array_equal(executor(first), kept)


def test_memory_is_bounded(network: str) -> None:
    """Once warmed up, batches of any size allocate nothing more."""
    executor = on_gpu(network, "bf16", largest=16, split_from=16)
    executor.warm_up(100)
    pixels = photos(NETWORKS[network][1], 100)
    executor(pixels)
    torch.cuda.synchronize()
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for count in (1, 100, 37, 16, 3, 99):
        executor(pixels[:count])
    torch.cuda.synchronize()
    assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == (allocated, reserved)


def test_threads_take_turns(network: str) -> None:
    """Two threads with batches of their own get features of their own."""
    executor = on_gpu(network, "bf16")
    batches = [photos(NETWORKS[network][1], count, seed=count) for count in (5, 40)]
    expected = [executor(batch) for batch in batches]
    wrong: list[int] = []

    def embed(number: int) -> None:
        for _ in range(20):
            if not (executor(batches[number]) == expected[number]).all():
                wrong.append(number)

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_others_may_use_the_gpu_while_graphs_are_captured(network: str) -> None:
    """As the thread does that loads the next model version."""
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            torch.ones(1000, 1000, device=GPU).sum().item()

    other = threading.Thread(target=keep_busy)
    other.start()
    try:
        executor = on_gpu(network, "bf16")
        executor.warm_up(64)
    finally:
        stop.set()
        other.join()
    assert np.isfinite(executor(photos(NETWORKS[network][1], 9))).all()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are not two CUDA devices here")
def test_the_second_gpu(network: str) -> None:
    """Its features are the first one's, and the first is left alone."""
    make, preprocessing = NETWORKS[network]
    pixels = photos(preprocessing, 9)
    expected = on_gpu(network)(pixels)
    executor = cuda_executor(make(), preprocessing, torch.device("cuda:1"))
    before = torch.cuda.memory_allocated(0)
    np.testing.assert_allclose(executor(pixels), expected, atol=1e-4 * float(np.abs(expected).max()))
    assert (executor.device, torch.cuda.memory_allocated(0)) == ("cuda:1", before)
