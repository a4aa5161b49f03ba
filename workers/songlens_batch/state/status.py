"""How a batch stands, for people and machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from songlens_batch.folder import MANIFEST, BatchFolder
from songlens_batch.jobs.line import JobQueue
from songlens_batch.plan.plan import PlannedShards, planned, shard_images
from songlens_batch.record import BatchRecord
from songlens_batch.state.progress import ShardSets, progress
from songlens_batch.state.registry import DONE, ENDED, PLANNING, RUNNING, Registry

FORGOTTEN = "forgotten"
"""Redis knows nothing of the batch, and its folder is not complete."""


@dataclass(frozen=True, kw_only=True)
class BatchStatus:
    """A batch at one moment."""

    id: str
    state: str
    """planning, running, done, failed, cancelled or forgotten"""

    why: str
    """What a failed batch failed by."""

    source: str
    out: str
    shards: int
    shards_done: int
    shards_running: int
    shards_failed: int
    images: int
    """Planned so far."""

    rows: int
    """Photos that have got songs, or a reason why not."""

    errors: dict[str, int]
    """Photos that got nothing, by code."""

    seconds: float
    """Since it was submitted or resumed last, up to its end."""

    images_per_s: float
    left_s: float | None
    """At this speed; None where nothing can be said."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change by itself."""
        return self.state in (*ENDED, FORGOTTEN)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain types."""
        return asdict(self)


def status(folder: BatchFolder, record: BatchRecord, registry: Registry, queue: JobQueue) -> BatchStatus:
    """Look at a batch: its folder says what is done, Redis what goes on."""
    fields, figures = registry.state(record.id), registry.shards(record.id)
    plan, finished = planned(folder), folder.finished()
    shards = plan.shards if plan else 0
    jobs = queue.statuses(record.id, [shard for shard in range(shards) if shard not in finished])
    state = DONE if folder.exists(MANIFEST) else fields.get("state", FORGOTTEN)
    where = ShardSets(done=finished.keys(), running=_at(jobs, "started"), failed=_at(jobs, "failed"))
    found = progress(fields, figures, where)
    rows = found.rows if "state" in fields else _rows(record, finished, plan)
    images = plan.images if plan else int(fields.get("images", 0))
    going = state in (PLANNING, RUNNING)
    return BatchStatus(
        id=record.id,
        state=state,
        why=fields.get("why", ""),
        source=record.config.source,
        out=str(folder),
        shards=shards,
        shards_done=len(where.done),
        shards_running=len(where.running),
        shards_failed=len(where.failed),
        images=images,
        rows=rows,
        errors=dict(found.errors.most_common()),
        seconds=found.seconds,
        images_per_s=found.images_per_s,
        left_s=(images - rows) / found.images_per_s if going and found.images_per_s > 0 else None,
    )


def _at(jobs: dict[int, str | None], status: str) -> set[int]:
    return {shard for shard, one in jobs.items() if one == status}


def _rows(record: BatchRecord, finished: dict[int, str], plan: PlannedShards | None) -> int:
    """Without Redis: every shard that is there is whole."""
    if plan is None:
        return 0
    return sum(shard_images(shard, plan, record.config.shard_size) for shard in finished)
