"""The forward pass of VGG-19 on a CPU, alone: fp32, bf16 and int8 beside the matrix products of the same run.

Weights are seeded random numbers (He initialisation): speed does not depend on them, and recall has to be measured
again with trained ones. The limit is what the fastest matrix product found here would take for as many operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from songlens_benchmarks.limits import gemm_flops
from songlens_benchmarks.onednn import onednn_flops
from songlens_benchmarks.photo_crops import photo_crops
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.turns import in_turns, rate
from songlens_shared.errors import DataError
from songlens_training.model.precision import agreement_of
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.forward.calibration import Calibration, calibrate
from songlens_workers.vision.forward.eager import EagerExecutor
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.forward.fused import can_fuse, fused
from songlens_workers.vision.forward.int8 import can_quantise, quantised
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.preprocess import Pixels
from songlens_workers.vision.vgg19 import PREPROCESSING, VGG19

FLOP_AN_IMAGE = 39.26e9
_CPU = torch.device("cpu")
_LEAST_S = 1.0
_CALIBRATION_IMAGES = 64
_LOWER = ("bf16", "int8")
_AT_LEAST = {1: 0.9, 8: 0.95, 32: 0.95}


def run(effort: Effort) -> Iterator[Row]:
    """Measure."""
    torch.set_num_threads(available_cpus())
    network = vgg19()
    exact, eager = fused(network, PREPROCESSING), EagerExecutor(network, PREPROCESSING, _CPU)
    yield from _fp32(exact, eager, effort)
    if can_fuse(_CPU, "bf16"):
        yield from _lower(fused(network, PREPROCESSING, "bf16"), exact, eager, effort, times=None)
    if len(_left_out()) == len(_LOWER):
        return  # recall is of these
    try:
        photos = photo_crops(6 if effort.quick else 24)
    except DataError as error:
        yield Row(what=f"recall@5: not measured, {error.message}", value=0, unit="")
        photos = noise(_CALIBRATION_IMAGES)
    normalised = Normaliser(PREPROCESSING, _CPU)
    if can_quantise(_CPU):
        batches = (normalised(photos[at : at + 1]) for at in range(_CALIBRATION_IMAGES))
        calibration = calibrate(network, batches)
        yield from _lower(quantised(network, PREPROCESSING, calibration), exact, eager, effort, times=4)
    if len(photos) > _CALIBRATION_IMAGES:
        yield from _recall(network, exact, calibration if can_quantise(_CPU) else None, photos[_CALIBRATION_IMAGES:])


def _left_out() -> list[str]:
    """Return the lower precisions that this processor has no instructions for."""
    can = {"bf16": can_fuse(_CPU, "bf16"), "int8": can_quantise(_CPU)}
    return [precision for precision in _LOWER if not can[precision]]


def vgg19() -> PlainNetwork:
    """Return the network with seeded random weights."""
    generator = torch.Generator().manual_seed(19)
    network = VGG19().requires_grad_(False).eval()
    for tensor in network.parameters():
        size = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.01
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * size)
    return network.to_fc2()


def noise(count: int) -> Pixels:
    """Return random pixels, uint8 (count, 224, 224, 3)."""
    return np.random.default_rng(count).integers(0, 256, (count, PREPROCESSING.crop, PREPROCESSING.crop, 3), np.uint8)


def _speed(executor: Executor, pixels: Pixels) -> float:
    return rate(lambda: executor(pixels), len(pixels), least_s=_LEAST_S)


def _fp32(exact: Executor, eager: Executor, effort: Effort) -> Iterator[Row]:
    plain, missing = nchw(), " and ".join(_left_out())
    for batch, share in _AT_LEAST.items():
        pixels = noise(batch)
        found = in_turns(
            {
                "ours": partial(_speed, exact, pixels),
                "eager": partial(rate, partial(plain, pixels), batch, least_s=_LEAST_S),
                "channels-last": partial(_speed, eager, pixels),
                "gemm": partial(max_gemm, "fp32"),
            },
            effort.rounds,
        )
        limit = Reference("GEMM rate", found["gemm"] / FLOP_AN_IMAGE)
        yield Row(
            what=f"VGG-19 fp32, batch {batch}",
            value=found["ours"],
            unit="images/s",
            baseline=Reference("torch eager, NCHW", found["eager"]),
            limit=limit,
            target=Target(of="limit", at_least=share),
            note=f"There are no rows of {missing}: this processor has no instructions for it." if missing else "",
        )
        yield Row(
            what=f"torch eager, channels-last, fp32, batch {batch}",
            value=found["channels-last"],
            unit="images/s",
            baseline=Reference("torch eager, NCHW", found["eager"]),
            limit=limit,
        )


def nchw() -> Callable[[Pixels], Features]:
    """Return what torch does by itself: NCHW, nothing joined."""
    network = vgg19()
    normalised = Normaliser(PREPROCESSING, _CPU)

    def embed(pixels: Pixels) -> Features:
        with torch.inference_mode():
            features: Features = network(normalised(pixels).contiguous()).numpy()
        return features

    return embed


def max_gemm(precision: str) -> float:
    """Return operations a second: of torch, NumPy or oneDNN, whichever is fastest."""
    if precision == "int8":
        return onednn_flops(precision)
    return gemm_flops("bfloat16" if precision == "bf16" else "float32", seconds=0.2)


def _lower(executor: Executor, exact: Executor, eager: Executor, effort: Effort, times: float | None) -> Iterator[Row]:
    for batch in _AT_LEAST:
        pixels = noise(batch)
        found = in_turns(
            {
                "ours": partial(_speed, executor, pixels),
                "fp32": partial(_speed, exact, pixels),
                "eager": partial(_speed, eager, pixels),
                "gemm": partial(max_gemm, executor.precision),
            },
            effort.rounds,
        )
        yield Row(
            what=f"VGG-19 {executor.precision}, batch {batch}",
            value=found["ours"],
            unit="images/s",
            baseline=Reference("ours in fp32", found["fp32"]),
            limit=Reference(f"{executor.precision} GEMM rate", found["gemm"] / FLOP_AN_IMAGE),
            target=None if times is None else Target(of="baseline", at_least=times),
        )
        yield Row(
            what=f"VGG-19 {executor.precision}, batch {batch}, beside torch eager",
            value=found["ours"],
            unit="images/s",
            baseline=Reference("torch eager in fp32, channels-last", found["eager"]),
        )


def _recall(network: PlainNetwork, exact: Executor, calibration: Calibration | None, photos: Pixels) -> Iterator[Row]:
    lower: list[Executor] = []
    if can_fuse(_CPU, "bf16"):
        lower.append(fused(network, PREPROCESSING, "bf16"))
    if calibration is not None:
        lower.append(quantised(network, PREPROCESSING, calibration))
    truth = exact(photos)
    for executor in lower:
        yield from recall_rows(executor.precision, truth, executor(photos), Target(of="value", at_least=0.95))


def recall_rows(what: str, truth: Features, rough: Features, target: Target | None = None) -> Iterator[Row]:
    """Yield how many of the neighbours of crops of real photos are those of fp32: both float32 (N, D), N above 5."""
    found = agreement_of(truth, rough)
    for recall, index in ((found.recall_at_5, what), (found.recall_at_5_in_fp32, "fp32")):
        yield Row(
            what=f"recall@5 of {what} queries in an {index} index",
            value=recall,
            unit="",
            target=target,
            note=f"{found.queries} crops of real photos among {found.images}; random weights.",
        )
