"""Candidates by FAISS on one GPU or several; their distances are measured on the processor, as everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from songlens_shared.errors import ConfigError
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.floats import FloatCandidates, rounding_bound
from songlens_workers.vision.index.protocol import Bounds, Positions, Proposal
from songlens_workers.vision.index.rows import Rows, Vectors

_MAX_K = 2048
"""FAISS selects no more than this on a GPU."""

_QUERIES_AT_ONCE = 4096
_WORK_BYTES = 256 << 20
_PINNED_BYTES = 64 << 20

_HALF_ROUNDING = 2.0**-11
_HALF_SMALLEST = 2.0**-25
_HALF_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Where vectors are searched, and how they lie there."""

    devices: tuple[str, ...] = ()
    """`cuda:N`, or `cpu` alone; none means the device of the forward pass."""

    float16: bool = False
    """Vectors take half of the memory on GPUs; found is the same."""

    shard: bool = True
    """Each of several GPUs holds a part of the vectors; otherwise each holds all, and gets a part of the queries."""

    def gpus(self, forward_device: str, found: int) -> tuple[int, ...]:
        """Return the numbers of the GPUs that search, where FAISS finds `found`; none for the CPU.

        Raises `ConfigError` for a device that is asked for and is not there, or is none that can search.
        """
        if not self.devices:
            own = _number(forward_device)
            return (own,) if own is not None and own < found else ()
        if self.devices == ("cpu",):
            return ()
        return tuple(_found(device, found) for device in self.devices)


def gpus_found() -> int:
    """Return how many GPUs FAISS finds."""
    return int(faiss.get_num_gpus())


def _number(device: str) -> int | None:
    """Return the number of a GPU; None for what is none."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdecimal()):
        return None
    return int(number or 0)


def _found(device: str, found: int) -> int:
    number = _number(device)
    if number is None:
        raise ConfigError(f"search_devices: {device!r} cannot search; name GPUs (`cuda:0,cuda:1`), or `cpu` alone.")
    if number >= found:
        raise ConfigError(
            f"search_devices: there is no {device} for FAISS, which finds {found} GPUs here; leave it out to search "
            "where the forward pass runs."
        )
    return number


class GpuCandidates:
    """`Candidates` from an index of the same vectors on GPUs. One thread at a time.

    Queries for which a GPU cannot do it are left to the processor: more than 2048 candidates, or values too large for
    float16.
    """

    queries_at_once = _QUERIES_AT_ONCE

    def __init__(self, rows: Rows, index: Any, floats: FloatCandidates, *, float16: bool) -> None:
        """`index` is the FAISS index on GPUs, `floats` proposes on the processor."""
        self._index = index
        self._floats = floats
        self._float16 = float16
        self._dimensions = rows.dimensions
        self._longest = float(np.sqrt(floats.squared_norms.max(initial=0.0), dtype=np.float64))

    def propose(self, queries: Features) -> Proposal:
        """Return the proposal for float32 (N, D)."""
        if self._float16 and np.abs(queries).max(initial=0.0) > _HALF_LARGEST:
            return self._floats.propose(queries)
        lengths = np.linalg.norm(queries, axis=1).astype(np.float64) + self._longest  # (N,)
        return _Searched(self._index, queries, lengths, self._outside_at_least, self._floats)

    def _outside_at_least(self, squared: Bounds, lengths: Bounds) -> Bounds:
        """Return the squared distance that no vector beyond computed ones of `squared` is nearer than, (R,) each.

        In float16 vector and query are themselves rounded: each moves by half a unit in the last place of its
        components, and so the distance by the sum of both moves at most.
        """
        at_least = np.maximum(squared - rounding_bound(lengths, self._dimensions), 0.0)
        if not self._float16:
            return at_least
        moved = _HALF_ROUNDING * lengths + 2 * _HALF_SMALLEST * np.sqrt(self._dimensions)
        bound: Bounds = np.maximum(np.sqrt(at_least) - moved, 0.0) ** 2
        return bound


class _Searched:
    """A proposal by a search on GPUs."""

    def __init__(
        self,
        index: Any,
        queries: Features,
        lengths: Bounds,
        outside_at_least: Callable[[Bounds, Bounds], Bounds],
        floats: FloatCandidates,
    ) -> None:
        self._index, self._queries, self._lengths = index, queries, lengths
        self._outside_at_least, self._floats = outside_at_least, floats

    def nearest(self, rows: Positions, count: int) -> tuple[Bounds, Positions]:
        if count > _MAX_K:
            return self._floats.propose(self._queries[rows]).nearest(np.arange(len(rows)), count)
        squared, positions = self._index.search(self._queries[rows], count)
        return self._outside_at_least(squared.max(axis=1).astype(np.float64), self._lengths[rows]), positions


def on_gpus(rows: Rows, gpus: Sequence[int], floats: FloatCandidates, options: SearchOptions) -> GpuCandidates:
    """Copy float32 rows, at least one, to GPUs. Raises `ConfigError` for values that float16 does not hold."""
    if options.float16 and max(float(rows.vectors.max()), -float(rows.vectors.min())) > _HALF_LARGEST:
        raise ConfigError(
            "search_float16: the catalogue's features have values that are too large for it; switch it off."
        )
    parts = [_empty(rows.dimensions, gpu, options.float16) for gpu in gpus]
    return GpuCandidates(rows, spread(rows.vectors, parts, shard=options.shard), floats, float16=options.float16)


def spread(vectors: Vectors, parts: Sequence[Any], *, shard: bool) -> Any:
    """Fill empty indexes with float32 (N, D), each with its share or each with all; return the index that they make.

    Each is filled in one call. FAISS then takes its size once; added to in slices it would be copied at every one, and
    cloned from another index, float16 would exist three times for a moment (facebookresearch/faiss#4502).
    """
    parts = parts[: len(vectors)]
    if len(parts) == 1:
        parts[0].add(vectors)
        return parts[0]
    d = vectors.shape[1]
    kind: Any = faiss.IndexShards if shard else faiss.IndexReplicas
    whole = kind(d, True, True) if shard else kind(d, True)
    join = whole.add_shard if shard else whole.addIndex
    bounds = np.linspace(0, len(vectors), len(parts) + 1).astype(int)
    for part, start, stop in zip(parts, bounds[:-1], bounds[1:], strict=True):
        part.add(vectors[start:stop] if shard else vectors)
        join(part)
    return whole


def _empty(dimensions: int, gpu: int, float16: bool) -> Any:
    """Return an empty index on a GPU, with bounded memory to work in."""
    resources = faiss.StandardGpuResources()
    resources.setTempMemory(_WORK_BYTES)
    resources.setPinnedMemory(_PINNED_BYTES)
    config = faiss.GpuIndexFlatConfig()
    config.device = gpu
    config.useFloat16 = float16
    config.use_cuvs = False  # its memory is another's, and `spread` counts on FAISS's
    return faiss.GpuIndexFlatL2(resources, dimensions, config)
