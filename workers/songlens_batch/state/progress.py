"""How far a batch is, in figures: the one computation behind `songlens batch status` and the metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass

from songlens_batch.state.registry import DONE, Fields, Figures


@dataclass(frozen=True, kw_only=True)
class ShardSets:
    """Which shards of a batch are where; the others wait."""

    done: Set[int]
    running: Set[int]
    failed: Set[int]

    @classmethod
    def from_redis(cls, figures: Figures, running: Set[int], failed: Set[int]) -> ShardSets:
        """Return them without a look into the folder; `running` and `failed` are the shards of such jobs."""
        done = {shard for shard, one in figures.items() if one.get(DONE)}
        return cls(done=done, running=running - done, failed=failed - done)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The figures."""

    rows: int
    """Photos that have got songs, or a reason why not: of the shards that are done, and of those that run."""

    errors: Counter[str]
    """Photos that got nothing, by code."""

    fresh: int
    """Those of them since the batch was submitted or resumed last."""

    begun_s: float
    ended_s: float | None
    """None while it goes on."""

    @property
    def seconds(self) -> float:
        """Since the batch was submitted or resumed last, up to its end; 0 where Redis has forgotten when that was."""
        return max(0.0, (self.ended_s or time.time()) - self.begun_s) if self.begun_s else 0.0

    @property
    def images_per_s(self) -> float:
        """In that time."""
        seconds = self.seconds
        return self.fresh / seconds if seconds > 0 else 0.0


def progress(fields: Fields, figures: Figures, shards: ShardSets) -> Progress:
    """Add up what the shards came to. What a shard did before it failed is not counted: it will be done again."""
    counted = [one for shard, one in figures.items() if shard in shards.done or shard in shards.running]
    errors: Counter[str] = Counter()
    for one in counted:
        errors.update(one["errors"])
    begun_s = int(fields.get("begun_ms", 0)) / 1000
    return Progress(
        rows=sum(one["rows"] for one in counted),
        errors=errors,
        fresh=sum(one["rows"] for one in counted if one.get("at_s", begun_s) >= begun_s),
        begun_s=begun_s,
        ended_s=int(fields["ended_ms"]) / 1000 if "ended_ms" in fields else None,
    )
