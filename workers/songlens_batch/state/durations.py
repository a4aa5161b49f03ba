"""How long jobs took, summed over every job process there has been: kept in the jobs' Redis, which outlives them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from songlens_shared.keys import JOB_SECONDS

BOUNDS_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""A shard takes seconds to minutes; planning a million photos, or building a model, up to an hour."""

_OTHER = "other"
_OVER = "+Inf"
_SUM = "sum"


def kind_of(function: str) -> str:
    """Return a job's kind, from the dotted path that RQ calls: a function of ours, or `other`, so that few are told."""
    return function.rpartition(".")[2] if function.startswith("songlens_") else _OTHER


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Of jobs of one kind that ended alike."""

    kind: str
    outcome: str
    """done or failed"""

    counts: tuple[int, ...]
    """Jobs that took at most `BOUNDS_S[i]` seconds, and more than the bound before; the last: more than all bounds."""

    sum_s: float


class JobDurations:
    """Notes durations, and tells them."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def note(self, kind: str, *, done: bool, seconds: float) -> None:
        """One job has ended."""
        place = bisect_left(BOUNDS_S, seconds)
        bound = str(BOUNDS_S[place]) if place < len(BOUNDS_S) else _OVER
        outcome = "done" if done else "failed"
        pipeline = self._redis.pipeline()
        pipeline.hincrby(JOB_SECONDS, f"{kind} {outcome} {bound}", 1)
        pipeline.hincrbyfloat(JOB_SECONDS, f"{kind} {outcome} {_SUM}", seconds)
        pipeline.execute()

    def read(self) -> Iterator[Durations]:
        """Return those of every kind and outcome that there has been."""
        found: Any = self._redis.hgetall(JOB_SECONDS)
        fields = {tuple(name.decode().split(" ")): float(value) for name, value in found.items()}
        bounds = (*map(str, BOUNDS_S), _OVER)
        for kind, outcome in sorted({(kind, outcome) for kind, outcome, _ in fields}):
            yield Durations(
                kind=kind,
                outcome=outcome,
                counts=tuple(int(fields.get((kind, outcome, bound), 0)) for bound in bounds),
                sum_s=fields.get((kind, outcome, _SUM), 0.0),
            )
