"""What a schedule runs in a job: by dotted path, with plain options and the moment at which it was due."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from songlens_batch.batches import Batches
from songlens_batch.jobs.failing import noting_failure
from songlens_batch.schedule.batch import ScheduledBatch, dated

_log = structlog.get_logger()


def submit_batch(options: dict[str, Any], due: str) -> dict[str, Any]:
    """Submit a batch into the folder of its slot. Where it was submitted before, it goes on, or is found done.

    The folder's name comes from the slot and not from the clock: a job that had to wait past midnight is still its
    day's, and so is one that is tried again.
    """
    scheduled, slot = ScheduledBatch(**options), datetime.fromisoformat(due)
    out = dated(scheduled.out, slot)
    with noting_failure(out=out), Batches() as batches:
        batch = batches.submit(
            scheduled.config(slot),
            out,
            lane=scheduled.lane,
            error_limit=scheduled.error_limit,
            photo_timeout_s=scheduled.photo_timeout_s,
        )
    _log.info("scheduled_batch_submitted", batch=batch, out=out)
    return {"batch": batch, "out": out}
