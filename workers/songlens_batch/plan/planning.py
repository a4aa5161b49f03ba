"""Enumerating a source into shards. Memory holds one shard and eight bytes for each photo, whatever the source."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from songlens_batch.errors import NothingPlanned
from songlens_batch.folder import PLAN, BatchFolder
from songlens_batch.plan.plan import PlannedShards, plan_file
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.opening import Source

Told = Callable[[int], None]
"""Called with how many photos have been planned."""


def write_plan(folder: BatchFolder, source: Source, shard_size: int, told: Told) -> PlannedShards:
    """Write the plan, whole or not at all.

    Raises `NothingPlanned` for a source without photos, or two photos of one id; what the source raises; `NoRoom`.
    """
    shards, digests = 0, array("Q")
    with folder.writing(PLAN) as file, plan_file(file) as plan:
        for items in _pieces(source.items(), shard_size):
            digests.extend(_digest(item.id) for item in items)
            plan.add(items)
            shards += 1
            told(len(digests))
        if not shards:
            raise NothingPlanned(f"{source.described} holds no photo.")
        _check_unique(digests, source)
    return PlannedShards(shards=shards, images=len(digests))


def _pieces(items: Iterable[SourceItem], size: int) -> Iterator[list[SourceItem]]:
    remaining = iter(items)
    while piece := list(islice(remaining, size)):
        yield piece


def _digest(id: str) -> int:
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")


def _check_unique(digests: array[int], source: Source) -> None:
    """Raise for an id that is there twice; digests that merely collide are told apart by reading the source again."""
    found = np.sort(np.frombuffer(digests, np.uint64))
    repeated = set(found[:-1][found[1:] == found[:-1]].tolist())
    if not repeated:
        return
    seen: dict[str, str] = {}
    for item in source.items():
        if _digest(item.id) not in repeated:
            continue
        if item.id in seen:
            raise NothingPlanned(
                f"the id {item.id!r} is there twice in {source.described}: {seen[item.id]} and {item.path}. "
                "Every photo needs an id of its own."
            )
        seen[item.id] = item.path
