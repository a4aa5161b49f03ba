"""Network embedding: LINE's proximities on the heterogeneous graph.

Tang et al., "LINE: Large-scale Information Network Embedding" (WWW 2015, arXiv 1503.03578). The graph is
undirected: each edge is sampled in both directions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError
from songlens_training.embedding.checkpoint import (
    Checkpoint,
    Checkpointing,
    check_same_training,
    graph_sha256,
    read_checkpoint,
    write_checkpoint,
)
from songlens_training.embedding.compiled_line import CompiledLine
from songlens_training.embedding.options import EmbeddingOptions, automatic_samples, check_options
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, check_graph
from songlens_training.progress import Progress
from songlens_workers.vision.cpus import available_cpus

ROUNDS = 100
"""At least; a round is the unit of progress and of checkpoints."""
MAX_ROUND_SAMPLES = 1 << 22
"""A few seconds."""
GPU_EDGES = 100_000_000
"""From so many on the choice of the device falls on a GPU."""
_ROWS = 1 << 14


class Trainer(Protocol):
    """What takes the steps, on some device."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(V, D)"""

    @property
    def contexts(self) -> NDArray[np.float32]:
        """(V, D); of first order the vectors themselves."""

    def start(self) -> None:
        """Begin anew."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `arrays` returned."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return everything that training changes."""

    def train(self, samples: int, first_rate: float, last_rate: float) -> tuple[float, int]:
        """Take steps; return the sum of the loss over some of them, and how many."""

    def close(self) -> None:
        """Let go of threads and memory."""


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """Where training stands."""

    samples_done: int
    samples_total: int
    samples_per_s: float
    loss: float
    """Mean loss of a sample in the last round: -log s(v.c) - sum log s(-v.n)."""


def reporting(progress: Progress) -> Callable[[TrainingProgress], None]:
    """Return what gives reports of training to `progress`, which hears of the training at once."""
    description = "Training the network embedding"
    progress(description, 0, 1)  # compiling comes first, and takes seconds once

    def report(at: TrainingProgress) -> None:
        note = f"{at.samples_per_s / 1e6:.2f} M samples/s, loss {at.loss:.3f}"
        progress(description, at.samples_done, at.samples_total, note)

    return report


def train_embedding(
    graph: Graph,
    options: EmbeddingOptions | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
    *,
    checkpointing: Checkpointing | None = None,
) -> Embedding:
    """Return a vector for each vertex of `graph`; vertices with the same neighbours lie close together.

    `progress` is called in the calling thread after each of a hundred rounds or more. With `checkpointing`, training
    that was cut off can go on: with one thread, to the very vectors it would have come to. Raises `DataError` for a
    graph that cannot be trained on or a checkpoint that cannot be read or written, and `ConfigError` for options out
    of range or a checkpoint of another training.
    """
    options = options or EmbeddingOptions()
    check_options(options)
    check_graph(graph)
    threads = options.threads or available_cpus()
    device = chosen_device(options.device, len(graph.weights))
    with closing(_trainer(graph, options, device, threads)) as trainer:
        settled = replace(options, threads=threads, device=device)
        return train_with(trainer, graph, settled, progress, checkpointing=checkpointing)


def train_with(
    trainer: Trainer,
    graph: Graph,
    options: EmbeddingOptions,
    progress: Callable[[TrainingProgress], None] | None = None,
    *,
    checkpointing: Checkpointing | None = None,
) -> Embedding:
    """Return what `trainer` makes of `graph`: the rounds of `train_embedding`, whatever takes the steps."""
    samples = options.samples or automatic_samples(len(graph.weights))
    schedule = _Schedule(samples=samples, learning_rate=options.learning_rate)
    saver = _saver(checkpointing, graph, asdict(replace(options, samples=samples)))
    done = saver.begin(trainer)
    while done < samples:
        report = _round(trainer, schedule, done)
        done = report.samples_done
        if progress is not None:
            progress(report)
        saver.after_round(trainer, done, finished=done == samples)
    return _finished(graph, trainer, options)


def chosen_device(wanted: str, edges: int) -> str:
    """Return "cpu", or the GPU that is to train a graph of so many edges. Raises `ConfigError` for one not there."""
    if wanted == "cpu" or (wanted == "auto" and edges < GPU_EDGES):
        return "cpu"
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if int(wanted.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise ConfigError(f"There is no GPU {wanted} here.")
    return wanted


def _trainer(graph: Graph, options: EmbeddingOptions, device: str, threads: int) -> Trainer:
    if device == "cpu":
        return CompiledLine(graph, options, threads)
    from songlens_training.embedding.torch_line import TorchLine

    return TorchLine(graph, options, device, threads)


@dataclass(frozen=True, kw_only=True)
class _Schedule:
    """How many samples, and how the learning rate falls with them."""

    samples: int
    learning_rate: float

    def rate(self, samples_done: int) -> float:
        return self.learning_rate * (1 - samples_done / self.samples)


def _round(trainer: Trainer, schedule: _Schedule, done: int) -> TrainingProgress:
    samples = min(-(-schedule.samples // ROUNDS), MAX_ROUND_SAMPLES, schedule.samples - done)
    started_s = time.perf_counter()
    loss, measured = trainer.train(samples, schedule.rate(done), schedule.rate(done + samples))
    return TrainingProgress(
        samples_done=done + samples,
        samples_total=schedule.samples,
        samples_per_s=samples / max(time.perf_counter() - started_s, 1e-9),
        loss=loss / max(measured, 1),
    )


class _NoCheckpoints:
    """Training that is not saved begins anew."""

    def begin(self, trainer: Trainer) -> int:
        trainer.start()
        return 0

    def after_round(self, trainer: Trainer, samples_done: int, *, finished: bool) -> None:
        """Do nothing."""


class _Checkpoints(_NoCheckpoints):
    """Training that is saved every so often, and goes on from what was saved."""

    def __init__(self, checkpointing: Checkpointing, training: Mapping[str, Any]) -> None:
        self._options = checkpointing
        self._training = training
        self._saved_s = time.monotonic()

    def begin(self, trainer: Trainer) -> int:
        if not self._options.path.parent.is_dir():
            raise ConfigError(f"The folder {self._options.path.parent}, for checkpoints, does not exist.")
        if not self._options.resume:
            if self._options.path.exists():
                raise ConfigError(f"{self._options.path} is there already; resume from it, or remove it.")
            return super().begin(trainer)
        saved = read_checkpoint(self._options.path)
        check_same_training(saved, self._training, self._options.path)
        trainer.restore(saved.arrays)
        return saved.samples_done

    def after_round(self, trainer: Trainer, samples_done: int, *, finished: bool) -> None:
        if not finished and time.monotonic() - self._saved_s < self._options.every_s:
            return
        arrays = trainer.arrays()
        write_checkpoint(
            self._options.path, Checkpoint(training=self._training, samples_done=samples_done, arrays=arrays)
        )
        self._saved_s = time.monotonic()


def _saver(checkpointing: Checkpointing | None, graph: Graph, settled: Mapping[str, Any]) -> _NoCheckpoints:
    if checkpointing is None:
        return _NoCheckpoints()
    return _Checkpoints(checkpointing, {**settled, "graph_sha256": graph_sha256(graph)})


def _finished(graph: Graph, trainer: Trainer, options: EmbeddingOptions) -> Embedding:
    vectors = trainer.vectors
    contexts = trainer.contexts if options.order == 2 else vectors.copy()
    if options.normalise:
        unit_length(vectors, out=vectors)
    return Embedding(vertices=graph.vertices, vectors=vectors, contexts=contexts)


def unit_length(vectors: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return `vectors` (V, D) scaled to length 1, in `out` where it is given; a zero vector stays zero."""
    unit = np.empty_like(vectors) if out is None else out
    for first in range(0, len(vectors), _ROWS):
        rows = slice(first, first + _ROWS)  # (R, D): no temporary as large as the whole
        lengths = np.maximum(np.linalg.norm(vectors[rows], axis=1, keepdims=True), 1e-12)
        np.divide(vectors[rows], lengths, out=unit[rows])
    return unit
