"""Writes the image index of a version: the kind that is planned, or a better one where its recall is too low."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from songlens_shared.errors import ConfigError, DataError, ModelError
from songlens_training.free_memory import free_memory_bytes
from songlens_training.model.index_recall import recall_at_5
from songlens_training.model.principal import principal_axes
from songlens_workers.models.manifest import (
    IMAGE_CLUSTERS,
    IMAGE_CODE_TERMS,
    IMAGE_CODES,
    IMAGE_INDEX,
    IndexEntry,
)
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.clusters import ClusterCandidates
from songlens_workers.vision.index.codes import TERMS, Coding, Numbers, Terms
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.index.kinds import IndexKind, files_of
from songlens_workers.vision.index.opening import open_index
from songlens_workers.vision.index.planner import IndexPlan, better, plan_index
from songlens_workers.vision.index.ranking import RankedIndex
from songlens_workers.vision.index.rows import Rows, Vectors, float16_rows

_SOURCE = "features.scratch"
_BLOCK_ROWS = 4096
_SAMPLE_ROWS = 20_000
_LONGEST_FLOAT16 = 65_504
_FIRST_PROBED = 8
_UNKNOWN_MEMORY_BYTES = 4 << 30

Fill = Callable[[Features], None]


@dataclass(frozen=True, kw_only=True)
class IndexOptions:
    """What is asked of the image index."""

    kind: IndexKind | None = None
    """None: chosen from the size of the catalogue."""

    memory_bytes: int | None = None
    """What it may take in a worker; None: half of what is free here."""

    recall: float = 0.95
    """Recall@5 against exact search that a reduced index must have."""


def check_index_options(options: IndexOptions) -> None:
    """Raise `ConfigError` for options out of range."""
    if not 0 <= options.recall <= 1:
        raise ConfigError(f"the index's recall must be from 0 to 1; got {options.recall:g}.")
    if options.memory_bytes is not None and options.memory_bytes < 1:
        raise ConfigError("the index's memory must be above 0.")


def write_image_index(folder: Path, count: int, dimensions: int, fill: Fill, options: IndexOptions) -> IndexEntry:
    """Write the index of `count` features that `fill` writes, float32 (N, D); return what the manifest says of it.

    Raises `DataError` for features that cannot be compared, `ModelError` or `OSError` where it cannot be written.
    """
    memory_bytes = options.memory_bytes or (free_memory_bytes() or _UNKNOWN_MEMORY_BYTES) // 2
    plan = plan_index(count, dimensions, memory_bytes=memory_bytes, kind=options.kind)
    if plan.kind in (IndexKind.FLAT, IndexKind.FLAT16):
        return _write_exact(folder, count, dimensions, fill, plan)
    source = np.memmap(folder / _SOURCE, np.float32, "w+", shape=(count, dimensions))
    try:
        fill(source)
        return _write_reduced(folder, source, plan, options.recall, memory_bytes)
    finally:
        del source
        (folder / _SOURCE).unlink()


def _write_exact(folder: Path, count: int, dimensions: int, fill: Fill, plan: IndexPlan) -> IndexEntry:
    index = FlatImageIndex.filled(count, dimensions, fill)
    index.save(folder / IMAGE_INDEX)
    if plan.kind is IndexKind.FLAT16:
        write_codes(folder, index.vectors, Coding(np.dtype(np.uint16), np.zeros(dimensions, np.float32)))
    return measured(folder, _entry(plan), index.vectors)


def _write_reduced(folder: Path, source: Features, plan: IndexPlan, floor: float, memory_bytes: int) -> IndexEntry:
    """Write a kind, and better ones until one has the recall; each that has not leaves its name in the reason."""
    save_rows16(float16_rows(*source.shape), source, folder / IMAGE_INDEX)
    probed = None
    if plan.kind is IndexKind.IVF:
        probed = _write_clusters(folder, source, plan, floor)
    else:
        write_codes(folder, source, _coding(source, plan))
    entry = measured(folder, _entry(plan, probed=probed), source)
    if entry.recall_at_5 >= floor:
        return entry
    for name in files_of(plan.kind):
        (folder / name).unlink()
    following = better(plan.kind) or IndexKind.FLAT16
    why = f"{plan.why}; but {plan.kind} finds only {entry.recall_at_5:.3f} of the 5 nearest, less than {floor:g}"
    next_plan = plan_index(len(source), source.shape[1], memory_bytes=memory_bytes, kind=following)
    next_plan = IndexPlan(**{**vars(next_plan), "why": why})
    if following is IndexKind.FLAT16:
        return _write_exact(folder, len(source), source.shape[1], lambda rows: np.copyto(rows, source), next_plan)
    return _write_reduced(folder, source, next_plan, floor, memory_bytes)


def save_rows16(rows: Rows, source: Features, path: Path, *, start: int = 0) -> None:
    """Fill float16 rows from `start` on with the vectors (n, D), and write them in FAISS's file format.

    Raises `DataError` for values that do not fit, and `ModelError` where the file cannot be written.
    """
    for first in range(0, len(source), _BLOCK_ROWS):
        block = source[first : first + _BLOCK_ROWS]
        if not (np.abs(block) <= _LONGEST_FLOAT16).all():
            raise DataError("features must be finite, and below 65,504 for an index of float16; choose --index flat.")
        rows.vectors[start + first : start + first + len(block)] = block
    save_index(rows.index, path)


def write_codes(folder: Path, source: Vectors, coding: Coding) -> None:
    """Write the codes of the vectors (N, D). Raises `OSError`."""
    numbers, terms = new_codes(folder, coding, len(source))
    encode_into(numbers, terms, source, coding)
    numbers.flush()
    terms.flush()
    coding.save(folder)


def new_codes(folder: Path, coding: Coding, count: int) -> tuple[Any, Any]:
    """Return the files of `count` codes, mapped to be filled: numbers (N, D') and terms (5, N). Raises `OSError`."""
    width = len(coding.mean) if coding.axes is None else len(coding.axes)
    numbers = np.lib.format.open_memmap(folder / IMAGE_CODES, "w+", coding.dtype, (count, width))
    return numbers, np.lib.format.open_memmap(folder / IMAGE_CODE_TERMS, "w+", np.float32, (len(TERMS), count))


def encode_into(numbers: Numbers, terms: Terms, source: Vectors, coding: Coding) -> None:
    """Fill codes with those of the vectors (N, D), a block at a time."""
    for start in range(0, len(source), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        numbers[block], terms[:, block] = coding.encode(source[block])


def _coding(source: Features, plan: IndexPlan) -> Coding:
    sample = _sample(source)
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    if plan.kind is IndexKind.PCA and plan.code_dimensions is not None:
        return Coding(np.dtype(np.int8), mean, principal_axes(sample - mean, plan.code_dimensions))
    return Coding(np.dtype(np.int8), mean)


def _write_clusters(folder: Path, source: Features, plan: IndexPlan, floor: float) -> int:
    """Write the clusters; return how many a search looks at: as few as have the recall."""
    dimensions, clusters = source.shape[1], min(plan.clusters or 1, len(source))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatL2(dimensions), dimensions, clusters, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2
    )
    index.cp.min_points_per_centroid = 1
    index.train(_sample(source))
    for start in range(0, len(source), _BLOCK_ROWS):
        index.add(np.asarray(source[start : start + _BLOCK_ROWS]))
    index.nprobe = min(_FIRST_PROBED, clusters)
    ranked = RankedIndex(Rows.open(folder / IMAGE_INDEX), ClusterCandidates(index))
    while recall_at_5(ranked, source) < floor and index.nprobe < clusters:
        index.nprobe = min(2 * index.nprobe, clusters)
    save_index(index, folder / IMAGE_CLUSTERS)
    return int(index.nprobe)


def _sample(source: Features) -> Features:
    rows = np.random.default_rng(1).permutation(len(source))[:_SAMPLE_ROWS]
    sample: Features = np.asarray(source[np.sort(rows)])
    return sample


def _entry(plan: IndexPlan, probed: int | None = None) -> IndexEntry:
    return IndexEntry(
        kind=str(plan.kind),
        code_dimensions=plan.code_dimensions,
        clusters=plan.clusters,
        probed=probed,
        memory_bytes=plan.memory_bytes,
        disk_bytes=plan.disk_bytes,
        recall_at_5=1.0,
        why=plan.why,
    )


def measured(folder: Path, entry: IndexEntry, vectors: Vectors) -> IndexEntry:
    """Return the entry with the size of its files in `folder`, and its recall against exact search of the vectors."""
    names = files_of(IndexKind(entry.kind))
    recall = 1.0 if entry.kind == IndexKind.FLAT else recall_at_5(open_index(folder, entry), vectors)
    size = sum((folder / name).stat().st_size for name in names)
    return entry.model_copy(update={"disk_bytes": size, "recall_at_5": round(recall, 4)})


def save_index(index: faiss.Index, path: Path) -> None:
    """Write an index in FAISS's file format. Raises `ModelError` when the file cannot be written."""
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise ModelError(f"The image index cannot be written to {path}; is there room, and may we write?") from error
