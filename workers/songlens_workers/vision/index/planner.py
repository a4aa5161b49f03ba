"""Chooses the kind of image index from the size of the catalogue, the memory there is and the recall that is wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from songlens_workers.vision.index.kinds import IndexKind

_SMALL_BYTES = 16 << 20
"""float32 vectors of this size stay in a processor's cache: nothing is gained by smaller ones."""

_SCAN_BYTES = 2 << 30
"""What one search may read: some 40 ms of two cores' memory bandwidth."""

_LEAST_CLUSTERED = 50_000
_MOST_CLUSTERS = 4096
_LEAST_COMPONENTS = 32
_COMPONENTS_STEP = 32
_CLUSTER_ID_BYTES = 8
_TERM_BYTES = 20


@dataclass(frozen=True, kw_only=True)
class IndexPlan:
    """Which index a catalogue gets, and what it takes."""

    kind: IndexKind
    code_dimensions: int | None = None
    """Numbers of a code; None where vectors are compared whole."""

    clusters: int | None = None
    memory_bytes: int
    """What a search reads, and memory should hold; the other files may stay on disk."""

    disk_bytes: int
    why: str


def plan_index(images: int, dimensions: int, *, memory_bytes: int, kind: IndexKind | None = None) -> IndexPlan:
    """Return the plan for so many images and dimensions; `memory_bytes` is what the index may take in a worker.

    A `kind` that is asked for is taken as it is. Raises `ValueError` for less than one image or dimension.
    """
    if images < 1 or dimensions < 1:
        raise ValueError(f"an index needs images and dimensions; got {images} x {dimensions}")
    if kind is not None:
        return _plan(kind, images, dimensions, memory_bytes, f"{kind} was asked for")
    vectors = images * dimensions
    most = min(memory_bytes, _SCAN_BYTES)
    size = f"{images} x {dimensions}"
    if 4 * vectors <= _SMALL_BYTES:
        return _plan(IndexKind.FLAT, images, dimensions, memory_bytes, f"{size} is so small that float32 is as fast")
    half = _plan(IndexKind.FLAT16, images, dimensions, memory_bytes, "")
    if half.memory_bytes <= most:
        why = f"codes of 2 bytes for {size} take {_mb(half)}, within {_mb(most)}, and search stays exact"
        return _plan(IndexKind.FLAT16, images, dimensions, memory_bytes, why)
    eighth = _plan(IndexKind.SQ8, images, dimensions, memory_bytes, "")
    if eighth.memory_bytes <= most:
        why = f"codes of 2 bytes for {size} would take {_mb(half)} of {_mb(most)}, of 1 byte {_mb(eighth)}"
        return _plan(IndexKind.SQ8, images, dimensions, memory_bytes, why)
    clustered = _plan(IndexKind.IVF, images, dimensions, memory_bytes, "")
    if clustered.memory_bytes <= memory_bytes and images >= _LEAST_CLUSTERED:
        why = f"reading all {_mb(eighth)} of codes for each search takes long; {clustered.clusters} clusters spare most"
        return _plan(IndexKind.IVF, images, dimensions, memory_bytes, why)
    why = f"codes of 1 byte for {size} would take {_mb(eighth)} of {_mb(most)}; fewer dimensions fit"
    return _plan(IndexKind.PCA, images, dimensions, memory_bytes, why)


def better(kind: IndexKind) -> IndexKind | None:
    """Return the next kind that keeps more of the vectors; None for one that is exact."""
    return {IndexKind.PCA: IndexKind.SQ8, IndexKind.IVF: IndexKind.SQ8, IndexKind.SQ8: IndexKind.FLAT16}.get(kind)


def _plan(kind: IndexKind, images: int, dimensions: int, memory_bytes: int, why: str) -> IndexPlan:
    vectors = images * dimensions
    numbers = _components(images, dimensions, memory_bytes) if kind is IndexKind.PCA else dimensions
    codes = images * (numbers + _TERM_BYTES)
    sizes = {
        IndexKind.FLAT: (4 * vectors, 4 * vectors),
        IndexKind.FLAT16: (codes + vectors, codes + 5 * vectors),
        IndexKind.SQ8: (codes, codes + 2 * vectors),
        IndexKind.PCA: (codes, codes + 2 * vectors),
        IndexKind.IVF: (vectors + images * _CLUSTER_ID_BYTES, 3 * vectors + images * _CLUSTER_ID_BYTES),
    }
    clusters = max(1, min(_MOST_CLUSTERS, round(math.sqrt(images)))) if kind is IndexKind.IVF else None
    return IndexPlan(
        kind=kind,
        code_dimensions=None if kind is IndexKind.FLAT else numbers,
        clusters=clusters,
        memory_bytes=sizes[kind][0],
        disk_bytes=sizes[kind][1],
        why=why,
    )


def _components(images: int, dimensions: int, memory_bytes: int) -> int:
    """Return how many principal components fit, at most half of the dimensions."""
    fitting = min(memory_bytes, _SCAN_BYTES) // images - _TERM_BYTES
    stepped = fitting // _COMPONENTS_STEP * _COMPONENTS_STEP
    return max(1, min(dimensions, _LEAST_COMPONENTS), min(dimensions // 2, stepped))


def _mb(size: IndexPlan | int) -> str:
    size_bytes = size.memory_bytes if isinstance(size, IndexPlan) else size
    return f"{size_bytes / 1e6:,.0f} MB"
