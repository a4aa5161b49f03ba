"""The executor for GPUs, on a CPU, and on lanes that work as late and as oddly as a GPU may."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import structlog
import torch
from scheduled_lanes import Scheduler
from torch import Tensor, nn

from songlens_workers.vision.forward.buckets import pieces
from songlens_workers.vision.forward.eager import EagerExecutor
from songlens_workers.vision.forward.fused_convolutions import fuse
from songlens_workers.vision.forward.lanes import Lanes, inline_lanes
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.forward.program import EagerProgram, NormalisedNetwork, Program
from songlens_workers.vision.forward.staged import StagedExecutor
from songlens_workers.vision.preprocess import Pixels, Preprocessing

CPU = torch.device("cpu")
SMALL = Preprocessing(resize=8, crop=8, interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
NORMALISED = Preprocessing(
    resize=8, crop=8, interpolation="bilinear", mean=(120.0, 110.0, 100.0), std=(58.0, 57.0, 56.0)
)


class FirstPixels(nn.Module):
    """A network whose features are the photo's first bytes: a wrong one cannot be right by chance."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :4]


def convolutions() -> PlainNetwork:
    torch.manual_seed(1)
    maps = [nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3)]
    return PlainNetwork(maps, [nn.Linear(16, 12)]).eval()


def photos(count: int, side: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def first_pixels(pixels: Pixels) -> np.ndarray[Any, Any]:
    return pixels[:, 0, :4, 0].astype(np.float32)


def executor(lanes: Lanes, **options: Any) -> StagedExecutor:
    network = NormalisedNetwork(FirstPixels(), SMALL, CPU)
    return StagedExecutor(network, lanes, **{"largest": 4, "split_from": 4, **options})


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 32, 33, 70])
def test_features_are_those_of_the_eager_executor(count: int) -> None:
    """In fp32 to the last bits, however many pieces a batch is cut into."""
    pixels = photos(count, 8)
    staged = StagedExecutor(NormalisedNetwork(convolutions(), NORMALISED, CPU), inline_lanes(), largest=8, split_from=8)
    expected = EagerExecutor(convolutions(), NORMALISED, CPU)(pixels)
    np.testing.assert_allclose(staged(pixels), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bits(precision: str) -> None:
    """Features are float32, and those of fp32 but for rounding; the executor says which they are."""
    pixels = photos(5, 8)
    staged = StagedExecutor(NormalisedNetwork(convolutions(), NORMALISED, CPU, precision), inline_lanes())
    found, expected = staged(pixels), EagerExecutor(convolutions(), NORMALISED, CPU)(pixels)
    assert (staged.precision, staged.device, found.dtype) == (precision, "cpu", np.float32)
    difference = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert 0 < difference.max() < 0.02


def test_a_network_in_sixteen_bits_is_a_copy() -> None:
    """Whoever executes the same network in fp32, to compare them, has it as it was."""
    network, pixels = convolutions(), photos(3, 8)
    reference = EagerExecutor(network, NORMALISED, CPU)
    expected = reference(pixels)
    StagedExecutor(NormalisedNetwork(network, NORMALISED, CPU, "bf16"), inline_lanes())
    np.testing.assert_array_equal(reference(pixels), expected)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_order_a_device_works_in(seed: int) -> None:
    """Buffers are not written before they were read, nor read before they were written."""
    scheduler = Scheduler(seed)
    staged = executor(scheduler.lanes())
    for count in (23, 4, 1):
        pixels = photos(count, 8, seed)
        np.testing.assert_array_equal(staged(pixels), first_pixels(pixels))


def test_lanes_that_do_not_wait_would_mix_photos() -> None:
    """The same test sees it where lanes are not ordered."""

    def is_right(seed: int) -> bool:
        pixels = photos(23, 8, seed)
        found = executor(Scheduler(seed, heeds_waits=False).lanes())(pixels)
        return bool((found == first_pixels(pixels)).all())

    assert sum(is_right(seed) for seed in range(25)) <= 5


def test_copies_go_on_beside_the_computation() -> None:
    """On some device the second piece is copied in before the first has been computed."""

    def overlaps(seed: int) -> bool:
        scheduler = Scheduler(seed)
        executor(scheduler.lanes())(photos(4, 8))
        return scheduler.done[:3] == ["inward", "inward", "compute"]

    assert any(overlaps(seed) for seed in range(25))


def test_results_are_not_overwritten() -> None:
    """What a call has returned stays as it is through the next ones, though these use the same buffers."""
    staged = executor(inline_lanes())
    first, second = photos(9, 8, 1), photos(9, 8, 2)
    found = staged(first)
    assert (staged(second) == first_pixels(second)).all()
    np.testing.assert_array_equal(found, first_pixels(first))


def test_threads_take_turns() -> None:
    """Each gets the features of its own photos."""
    staged = executor(inline_lanes())
    wrong = []

    def embed(seed: int) -> None:
        for turn in range(50):
            pixels = photos(1 + turn % 9, 8, seed)
            if not (staged(pixels) == first_pixels(pixels)).all():
                wrong.append(seed)

    threads = [threading.Thread(target=embed, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class Captured:
    """Stands for a captured graph: runs what it was made of, and counts."""

    def __init__(self, program: EagerProgram) -> None:
        self.input, self.output, self._program = program.input, program.output, program

    def run(self) -> None:
        self._program.run()


class Capture:
    """Makes them, and remembers the sizes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.places: set[int] = set()

    def __call__(self, program: EagerProgram) -> Program:
        self.sizes.append(len(program.input))
        self.places.add(program.input.data_ptr())
        return Captured(program)


def test_programs_are_made_when_they_are_needed_and_kept() -> None:
    """One for each bucket, and all of them in the same memory."""
    capture = Capture()
    staged = executor(inline_lanes(), capture=capture, largest=8, split_from=100)
    for count in (1, 8, 3, 1, 8, 20):
        pixels = photos(count, 8)
        np.testing.assert_array_equal(staged(pixels), first_pixels(pixels))
    assert capture.sizes == [1, 8, 4]
    assert len(capture.places) == 1


def test_warming_up_makes_what_batches_will_use() -> None:
    """The largest first, none that is never used, and none when the batches come."""
    capture = Capture()
    staged = executor(inline_lanes(), capture=capture, largest=64, split_from=32)
    staged.warm_up(40)
    assert capture.sizes == [32, 16, 8, 4, 2, 1]
    used = {piece.bucket for count in range(1, 41) for piece in pieces(count, largest=64, split_from=32)}
    assert used == set(capture.sizes)
    for count in range(1, 41):
        staged(photos(count, 8))
    assert len(capture.sizes) == 6


def test_a_capture_that_fails_is_told_once() -> None:
    """From then on programs run as torch executes them, and the log says so once."""

    def refuse(program: EagerProgram) -> Program:
        raise RuntimeError("operation not permitted when stream is capturing")

    staged = executor(inline_lanes(), capture=refuse)
    with structlog.testing.capture_logs() as logs:
        for count in (1, 2, 7):
            pixels = photos(count, 8)
            np.testing.assert_array_equal(staged(pixels), first_pixels(pixels))
    assert logs == [
        {"event": "cuda_graphs_refused", "log_level": "warning", "error": "RuntimeError", "bucket": 1},
    ]


@pytest.mark.parametrize("seed", range(10))
def test_a_batch_that_fails_disturbs_no_later_one(seed: int) -> None:
    """What was queued before an error, and may still be under way, spoils nothing of the next batch."""
    scheduler = Scheduler(seed)
    fails = True

    class Fails(FirstPixels):
        def forward(self, images: Tensor) -> Tensor:
            if fails and len(images) == 4:
                raise RuntimeError("out of memory")
            return super().forward(images)

    staged = StagedExecutor(NormalisedNetwork(Fails(), SMALL, CPU), scheduler.lanes(), largest=4, split_from=100)
    pixels = photos(10, 8)
    with pytest.raises(RuntimeError, match="out of memory"):
        staged(pixels)
    fails, pixels = False, photos(10, 8, seed=1)
    np.testing.assert_array_equal(staged(pixels), first_pixels(pixels))


def by_torch(maps: Tensor, convolution: nn.Conv2d) -> Tensor:
    """What cuDNN's fused kernel computes."""
    return torch.relu(convolution(maps))


def test_convolutions_and_their_relus_are_fused() -> None:
    """Each goes to the fused operation, no ReLU is left over, and the features stay what they were."""
    network, images, seen = convolutions(), torch.randn(2, 3, 8, 8), []

    def operation(maps: Tensor, convolution: nn.Conv2d) -> Tensor:
        seen.append(convolution.kernel_size)
        return by_torch(maps, convolution)

    expected = network(images)
    assert fuse(network, lambda: network(images), operation, tolerance=1e-5)
    seen.clear()
    torch.testing.assert_close(network(images), expected)
    assert seen == [(3, 3), (3, 3)]


def test_an_operation_that_is_not_there_or_wrong_is_not_used() -> None:
    """One that raises, one that forgets the ReLU and one that gives no numbers leave the network as it was."""

    def missing(maps: Tensor, convolution: nn.Conv2d) -> Tensor:
        raise RuntimeError("no engine")

    def wrong(maps: Tensor, convolution: nn.Conv2d) -> Tensor:
        found: Tensor = convolution(maps)
        return found

    def not_a_number(maps: Tensor, convolution: nn.Conv2d) -> Tensor:
        return by_torch(maps, convolution) * float("nan")

    images = torch.randn(2, 3, 8, 8)
    for operation in (missing, wrong, not_a_number):
        network = convolutions()
        expected = network(images)
        assert not fuse(network, lambda network=network: network(images), operation, tolerance=0.05)  # type: ignore[misc]
        torch.testing.assert_close(network(images), expected)
