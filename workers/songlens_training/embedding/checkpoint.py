"""Checkpoints: all that training needs to go on, in one file that is whole or not there.

A line of magic, a line of JSON (what was being trained, and which arrays follow), the arrays' bytes one after
another, and the SHA-256 of all that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError, DataError
from songlens_training.graph.graph import Graph
from songlens_training.whole_file import whole_file

_MAGIC = b"songlens NE checkpoint 1\n"
_DIGEST_BYTES = 32
_PIECE = 1 << 24
_VERTICES_PIECE = 10_000
_MAX_HEADER_BYTES = 1 << 20

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """When and where checkpoints are written."""

    path: Path
    every_s: float = 60.0
    """A checkpoint is written at the end of a round, when the last is at least this old, and at the end."""
    resume: bool = False
    """Go on from the checkpoint at `path`. Without it, training refuses to overwrite one that is there."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A moment of training."""

    training: Mapping[str, Any]
    """What is being trained and how, JSON types only. Training can go on only where all of it is the same."""
    samples_done: int
    arrays: Arrays
    """By name; everything that training changes."""


def graph_sha256(graph: Graph) -> str:
    """Return a hash of the graph's vertices and edges, in their order."""
    digest = hashlib.sha256()
    for first in range(0, len(graph.vertices), _VERTICES_PIECE):
        vertices = graph.vertices[first : first + _VERTICES_PIECE]
        digest.update(json.dumps([[int(kind), key] for kind, key in vertices]).encode())
    for array in (graph.sources, graph.targets, graph.weights):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the one before stays until the new one is complete and on the disk.

    The arrays are written from where they lie, without copying them. Raises `DataError` when it cannot be written.
    """
    described = [[name, array.dtype.str, array.shape] for name, array in checkpoint.arrays.items()]
    header = {"training": checkpoint.training, "samples_done": checkpoint.samples_done, "arrays": described}
    try:
        with whole_file(path) as file:
            digest = hashlib.sha256()
            for piece in (_MAGIC, json.dumps(header).encode() + b"\n"):
                _put(file, digest, memoryview(piece))
            for array in checkpoint.arrays.values():
                _put(file, digest, _bytes(array))
            file.write(digest.digest())
    except OSError as error:
        reason = error.strerror or error
        message = f"The checkpoint {path} cannot be written: {reason}. What was there before is untouched."
        raise DataError(message) from error


def _put(file: BinaryIO, digest: hashlib._Hash, data: memoryview) -> None:
    for first in range(0, len(data), _PIECE):
        digest.update(data[first : first + _PIECE])
        file.write(data[first : first + _PIECE])


def _bytes(array: NDArray[Any]) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises `DataError` when it is missing, cut short, damaged or no checkpoint at all."""
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise DataError(f"The checkpoint {path} cannot be read: {error.strerror or error}.") from error


def _read(file: BinaryIO, path: Path) -> Checkpoint:
    digest = hashlib.sha256()
    magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        raise DataError(f"{path} is no checkpoint of this version of Songlens.")
    line = file.readline(_MAX_HEADER_BYTES)
    digest.update(magic + line)
    try:
        header = json.loads(line)
        arrays = {name: _room(shape, np.dtype(dtype)) for name, dtype, shape in header["arrays"]}
        training, samples_done = dict(header["training"]), int(header["samples_done"])
    except (ValueError, TypeError, KeyError, MemoryError) as error:
        raise DataError(f"The checkpoint {path} is damaged: its header cannot be read.") from error
    for array in arrays.values():
        data = _bytes(array)
        for first in range(0, len(data), _PIECE):
            piece = data[first : first + _PIECE]
            if file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
                raise DataError(f"The checkpoint {path} is cut short.")
            digest.update(piece)
    if file.read(_DIGEST_BYTES + 1) != digest.digest():
        raise DataError(f"The checkpoint {path} is damaged: its checksum does not match.")
    return Checkpoint(training=training, samples_done=samples_done, arrays=arrays)


def _room(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind not in "iuf":
        raise ValueError("Only numbers are read from files.")
    return np.empty(shape, dtype)


def check_same_training(checkpoint: Checkpoint, training: Mapping[str, Any], path: Path) -> None:
    """Raise `ConfigError`, naming what differs, unless the checkpoint is of this very training."""
    names = sorted({*checkpoint.training, *training})
    for name in names:
        before, now = checkpoint.training.get(name), training.get(name)
        if before != now:
            told = f" ({before} then, {now} now)" if name != "graph_sha256" else ""
            what = "graph" if name == "graph_sha256" else name.replace("_", " ")
            raise ConfigError(f"The checkpoint {path} is of another training: the {what} differs{told}.")
