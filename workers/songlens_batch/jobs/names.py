"""The ids of a batch's jobs, as `rq info` and dashboards show them."""

from __future__ import annotations

import re
from datetime import datetime

from songlens_batch.record import ID_PATTERN

QUEUE = "songlens-batch"

_SHARD = re.compile(rf"batch-({ID_PATTERN.pattern})-shard-(\d{{5,}})")


def plan_job(batch: str) -> str:
    """Return the id of the job that plans."""
    return f"batch-{batch}-plan"


def shard_job(batch: str, shard: int) -> str:
    """Return the id of a shard's job."""
    return f"batch-{batch}-shard-{shard:05d}"


def finish_job(batch: str) -> str:
    """Return the id of the job that ends the batch."""
    return f"batch-{batch}-finish"


def slot_job(schedule: str, slot: datetime) -> str:
    """Return the id of what a schedule runs at one moment: the same by whichever scheduler."""
    return f"schedule-{schedule}-{slot:%Y%m%d-%H%M}"


def shard_of(job: str) -> tuple[str, int] | None:
    """Return the batch and the shard that a job's id names; None where it is no shard's."""
    match = _SHARD.fullmatch(job)
    return (match[1], int(match[2])) if match else None
