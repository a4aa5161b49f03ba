"""The forward pass of VGG-19 on a CPU, ours beside the well-kept alternatives: torch.compile, onnxruntime, PT2E.

They are information: no target is theirs. Of whoever fails a row says why, and the others are measured. Without VNNI
instructions int8 is measured all the same, beside ours in fp32; sizes are smaller there, for such processors are slow.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from songlens_benchmarks.forward import FLOP_AN_IMAGE, max_gemm, noise, recall_rows, vgg19
from songlens_benchmarks.peer_compile import compile_cache
from songlens_benchmarks.peer_executors import Peer, Peers
from songlens_benchmarks.photo_crops import photo_crops
from songlens_benchmarks.row import Effort, Reference, Row
from songlens_benchmarks.turns import in_turns, rate
from songlens_shared.errors import DataError, SonglensError
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.forward.calibration import calibrate
from songlens_workers.vision.forward.choose import choose_executor
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.forward.fused import has_onednn
from songlens_workers.vision.forward.int8 import can_quantise, quantised
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.preprocess import Pixels
from songlens_workers.vision.vgg19 import PREPROCESSING

T = TypeVar("T")

_CPU = torch.device("cpu")
_CROPS_A_PHOTO = 24
_TOLERANCE = 1e-3
"""Of the largest feature: fp32 in another order of adding differs by a hundredth of it."""


class PeerWrong(SonglensError):
    """its features are not those of ours."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured."""

    batches: tuple[int, ...]
    calibrating: int
    """Photos that int8 is calibrated by."""

    comparing: int
    """Photos that recall is measured on."""

    least_s: float

    @classmethod
    def of(cls, effort: Effort) -> Sizes:
        """Return what this processor can do in a few minutes."""
        if effort.quick:
            return cls(batches=(1,), calibrating=4, comparing=0, least_s=0.0)
        if can_quantise(_CPU):
            return cls(batches=(1, 8, 32), calibrating=64, comparing=416, least_s=1.0)
        return cls(batches=(1, 8), calibrating=16, comparing=64, least_s=0.5)


@dataclass(frozen=True)
class Made:
    """A peer that runs, and the seconds until it did."""

    peer: Peer
    executor: Executor
    seconds: float


@dataclass(frozen=True)
class Ready:
    """A peer that has answered a batch of this size, and the seconds that its first answer took: it compiles then."""

    made: Made
    batch: int
    seconds: float

    @property
    def what(self) -> str:
        """The name of its row."""
        return f"{self.made.peer.what}, batch {self.batch}"

    @property
    def note(self) -> str:
        """What it is, and how long one waits for it."""
        waits = f"{self.made.seconds:.1f} s to make, {self.seconds:.1f} s to its first batch of this size"
        return f"{self.made.peer.about}; {waits}."


def run(effort: Effort) -> Iterator[Row]:
    """Measure."""
    torch.set_num_threads(available_cpus())
    sizes, network = Sizes.of(effort), vgg19()
    photos = yield from _photos(sizes)
    calibrating, comparing = photos[: sizes.calibrating], photos[sizes.calibrating :]
    ours = _ours(network, calibrating)
    with compile_cache(), tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        peers = Peers(
            network=network,
            preprocessing=PREPROCESSING,
            photos=calibrating,
            reduce_range=not can_quantise(_CPU),
            folder=Path(folder),
        )
        ready = yield from _ready(peers.all(), ours["fp32"], sizes.batches)
        yield from _speeds(ready, ours, sizes, effort)
        yield from _recalls(ready, ours["fp32"], comparing)


def _photos(sizes: Sizes) -> Generator[Row, None, Pixels]:
    """Return real ones, uint8 (N, 224, 224, 3); without them noise to calibrate by, and a row that says so."""
    wanted = sizes.calibrating + sizes.comparing
    try:
        return photo_crops(_CROPS_A_PHOTO)[:wanted]
    except DataError as error:
        yield _not_measured("recall@5", error)
        return noise(sizes.calibrating)


def _ours(network: PlainNetwork, photos: Pixels) -> dict[str, Executor]:
    """Return our executors by precision, int8 where it is offered."""
    ours = {"fp32": choose_executor(network, PREPROCESSING, _CPU)}
    if can_quantise(_CPU):
        normalised = Normaliser(PREPROCESSING, _CPU)
        calibration = calibrate(network, (normalised(photos[at : at + 1]) for at in range(len(photos))))
        ours["int8"] = quantised(network, PREPROCESSING, calibration)
    return ours


def _ready(peers: Sequence[Peer], exact: Executor, batches: Sequence[int]) -> Generator[Row, None, list[Ready]]:
    """Make each peer and have it answer once; yields a row of whoever fails, whatever it raises."""
    ready: list[Ready] = []
    for peer in peers:
        try:
            made = Made(peer, *_timed(peer.make))
        except Exception as error:
            yield _not_measured(peer.what, error)
            continue
        for batch in batches:
            try:
                ready.append(_answered(made, exact, batch))
            except Exception as error:
                yield _not_measured(f"{peer.what}, batch {batch}", error)
    return ready


def _answered(made: Made, exact: Executor, batch: int) -> Ready:
    """Return the peer, ready for batches of this size. Raises `PeerWrong` where fp32 is not what ours is."""
    pixels = noise(batch)
    features, seconds = _timed(partial(made.executor, pixels))
    expected = exact(pixels)
    if features.shape != expected.shape:
        raise PeerWrong(f"its features are {features.shape}, not {expected.shape}.")
    bound = _TOLERANCE * float(expected.max())
    if made.peer.precision == "fp32" and not np.allclose(features, expected, rtol=0, atol=bound):
        raise PeerWrong
    return Ready(made, batch, seconds)


def _speeds(ready: Sequence[Ready], ours: Mapping[str, Executor], sizes: Sizes, effort: Effort) -> Iterator[Row]:
    """Measure all of them in the same turns, ours among them."""
    speed = partial(_speed, least_s=sizes.least_s)
    rates = ("fp32", "int8") if has_onednn() else ("fp32",)
    measures: dict[str, Callable[[], float]] = {_gemm(name): partial(max_gemm, name) for name in rates}
    for batch in sizes.batches:
        measures |= {f"{name}, batch {batch}": partial(speed, executor, batch) for name, executor in ours.items()}
        measures |= {each.what: partial(speed, each.made.executor, batch) for each in ready if each.batch == batch}
    found = in_turns(measures, effort.rounds)
    for each in ready:
        precision = each.made.peer.precision
        baseline, limit = precision if precision in ours else "fp32", found.get(_gemm(precision))
        yield Row(
            what=each.what,
            value=found[each.what],
            unit="images/s",
            baseline=Reference(f"ours in {baseline}", found[f"{baseline}, batch {each.batch}"]),
            limit=None if limit is None else Reference(_gemm(precision), limit / FLOP_AN_IMAGE),
            note=each.note,
        )


def _gemm(precision: str) -> str:
    return f"{precision} GEMM rate"


def _speed(executor: Executor, batch: int, *, least_s: float) -> float:
    pixels = noise(batch)
    return rate(lambda: executor(pixels), batch, least_s=least_s)


def _recalls(ready: Sequence[Ready], exact: Executor, photos: Pixels) -> Iterator[Row]:
    """Yield recall of each int8, in the largest batches that it is ready for: another size would be compiled anew."""
    lower = {each.made.peer.what: each for each in ready if each.made.peer.precision == "int8"}
    if not lower or not len(photos):
        return
    truth = exact(photos)
    for what, each in lower.items():
        yield from recall_rows(what, truth, _embedded(each.made.executor, photos, each.batch))


def _embedded(executor: Executor, photos: Pixels, batch: int) -> Features:
    """Return float32 (N, D) of uint8 (N, S, S, 3), N a multiple of the batch."""
    return np.concatenate([executor(photos[at : at + batch]) for at in range(0, len(photos), batch)])


def _not_measured(what: str, error: Exception) -> Row:
    reason = error.message if isinstance(error, SonglensError) else f"{type(error).__name__}: {error}"
    return Row(what=f"{what}: not measured", value=0, unit="", note=reason.strip().partition("\n")[0])


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what it returns, and its seconds. What peers warn of is between them and their libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started_s = time.perf_counter()
        return work(), time.perf_counter() - started_s
