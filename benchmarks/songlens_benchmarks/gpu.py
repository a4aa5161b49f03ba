"""VGG-19 and the image index on a GPU: how near to what the card can do, and what each part of it is worth."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import faiss
import numpy as np
import torch
from PIL import Image
from torch import nn

from songlens_benchmarks import gpu_limits
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.turns import in_turns, rate
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.decode import decode
from songlens_workers.vision.forward.cuda import cuda_executor
from songlens_workers.vision.forward.staged import StagedExecutor
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.index.gpu import SearchOptions
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.preprocess import Pixels
from songlens_workers.vision.vgg19 import DIMENSIONS, PREPROCESSING, VGG19

VGG19_FLOP = 39.26e9
"""Of one image, two for each multiply-add."""

_NEVER = 1 << 30
_GPU = torch.device("cuda:0")
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
# What each part is worth: the batch is computed with all of them, and with all but one.
_WITHOUT: dict[str, dict[str, Any]] = {
    "graphs": {"graphs": False},
    "fused convolutions": {"fused": False},
    "splitting": {"split_from": _NEVER},
    "all three": {"graphs": False, "fused": False, "split_from": _NEVER},
}


def run(effort: Effort) -> Iterator[Row]:
    """Yield the card's limits, the forward pass, decoding beside it, and the search; nothing where there is no GPU."""
    if not torch.cuda.is_available():
        print("there is no GPU here: nothing is measured", file=sys.stderr)
        return
    seconds = 0.1 if effort.quick else 1.0
    limits = {name: _matrix_rate(dtype, effort, seconds) for name, dtype in _TYPES.items()}
    for name, flops in limits.items():
        yield Row(what=f"matrix product, {name}", value=flops / 1e12, unit="TFLOP/s")
    yield from _copies(seconds)
    yield from _forward(limits, effort, seconds)
    yield _decoding(effort, seconds)
    if faiss.get_num_gpus():
        yield from _search(effort, seconds)


def _matrix_rate(dtype: torch.dtype, effort: Effort, seconds: float) -> float:
    size = 2048 if effort.quick else 8192
    return max(gpu_limits.matrix_flops(dtype, _GPU, size=size, seconds=seconds) for _ in range(effort.rounds))


def _copies(seconds: float) -> Iterator[Row]:
    for name, inward in (("to the GPU", True), ("from the GPU", False)):
        value = gpu_limits.copy_bytes_per_s(_GPU, inward=inward, seconds=seconds)
        yield Row(what=f"copying {name}, pinned", value=value / 1e9, unit="GB/s")


def _forward(limits: dict[str, float], effort: Effort, seconds: float) -> Iterator[Row]:
    network, side = vgg19_fc2(), PREPROCESSING.crop
    largest = 8 if effort.quick else 64
    pixels = np.random.default_rng(0).integers(0, 256, (largest, side, side, 3), np.uint8)

    def made(precision: str, **options: Any) -> StagedExecutor:
        return cuda_executor(copy.deepcopy(network), PREPROCESSING, _GPU, precision, **options)

    for precision, flops in limits.items():
        ours, plain = made(precision), made(precision, **_WITHOUT["all three"])
        limit = Reference(f"{precision} matrix product", flops / VGG19_FLOP)
        for batch in [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= largest]:
            found = in_turns(
                {
                    name: _images(executor, pixels[:batch], seconds)
                    for name, executor in (("ours", ours), ("plain", plain))
                },
                effort.rounds,
            )
            yield Row(
                what=f"VGG-19 {precision}, batch {batch}",
                value=found["ours"],
                unit="images/s",
                baseline=Reference("torch, channels-last", found["plain"]),
                limit=limit,
                target=Target(of="limit", at_least=0.5) if precision == "bf16" and batch >= 32 else None,
            )
    everything = made("bf16")
    for name, options in _WITHOUT.items():
        without = made("bf16", **options)
        found = in_turns(
            {"with": _images(everything, pixels, seconds), "without": _images(without, pixels, seconds)}, effort.rounds
        )
        yield Row(
            what=f"VGG-19 bf16, batch {largest}, without {name}",
            value=found["without"],
            unit="images/s",
            baseline=Reference("with", found["with"]),
        )


def vgg19_fc2() -> nn.Module:
    """Return VGG-19 up to fc2, with seeded random weights: as fast as with the trained ones."""
    torch.manual_seed(19)
    return VGG19().to_fc2()


def _images(executor: StagedExecutor, pixels: Pixels, seconds: float) -> Callable[[], float]:
    return lambda: rate(lambda: executor(pixels), len(pixels), least_s=seconds)


def _decoding(effort: Effort, seconds: float) -> Row:
    """Photos of the size that the client sends, by as many threads as there are processors."""
    levels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(levels).resize((341, 256), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    photos, threads = [buffer.getvalue()] * (64 if effort.quick else 1024), available_cpus()
    with ThreadPoolExecutor(threads) as pool:

        def work() -> None:
            list(pool.map(lambda photo: decode(photo, PREPROCESSING, ImageLimits()), photos))

        found = in_turns({"threads": lambda: rate(work, len(photos), least_s=seconds)}, effort.rounds)
    return Row(
        what=f"decoding JPEG of 341 x 256, {threads} threads",
        value=found["threads"],
        unit="photos/s",
        note="One process. Where this is less than the forward pass, several processes share a GPU.",
    )


def _search(effort: Effort, seconds: float) -> Iterator[Row]:
    count = 2_000 if effort.quick else 33_459
    generator = np.random.default_rng(0)
    vectors = np.maximum(generator.standard_normal((count, DIMENSIONS), np.float32), 0)
    queries = vectors[:64] + generator.standard_normal((64, DIMENSIONS), np.float32) * np.float32(0.1)
    on_cpu = FlatImageIndex.build(vectors)
    bytes_per_s = gpu_limits.memory_bytes_per_s(_GPU, seconds=seconds) / 2  # read alone
    for name, float16 in (("float32", False), ("float16", True)):
        on_gpu = on_cpu.to_gpus([0], SearchOptions(float16=float16))
        for batch in (1, 8, 64):
            found = in_turns(
                {"gpu": _queries(on_gpu, queries[:batch], seconds), "cpu": _queries(on_cpu, queries[:batch], seconds)},
                effort.rounds,
            )
            yield Row(
                what=f"search of {count:,} x {DIMENSIONS} {name}, batch {batch}",
                value=found["gpu"],
                unit="queries/s",
                baseline=Reference("CPU", found["cpu"]),
                limit=Reference("reading each vector once", batch * bytes_per_s / (vectors.nbytes / (1 + float16))),
            )


def _queries(index: Any, queries: Features, seconds: float) -> Callable[[], float]:
    return lambda: rate(lambda: index.search(queries, 5), len(queries), least_s=seconds)
