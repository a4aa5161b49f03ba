"""The end of a batch: a manifest of what is there, or the word that something is not."""

from __future__ import annotations

from typing import Any

from songlens_batch.errors import BatchError
from songlens_batch.folder import MANIFEST, SUMMARY, BatchFolder
from songlens_batch.plan.plan import planned
from songlens_batch.record import BatchRecord
from songlens_batch.result.manifest import describe
from songlens_batch.result.summary import summary
from songlens_batch.state.registry import DONE, FAILED, Registry

_MOST_NAMED = 5


class Unfinished(BatchError):
    """Some shards are not done."""


def end_batch(folder: BatchFolder, record: BatchRecord, registry: Registry) -> dict[str, Any]:
    """Write manifest and summary; raises `Unfinished`, which says which shards failed and by what."""
    plan, finished = planned(folder), folder.finished()
    missing = [shard for shard in range(plan.shards) if shard not in finished] if plan else []
    if plan is None or missing:
        why = _why(missing, plan.shards if plan else 0, registry.shards(record.id))
        registry.end(record.id, FAILED, why)
        raise Unfinished(why)
    manifest = describe(folder, record, plan)
    folder.write(SUMMARY, summary(folder, record, manifest, registry.state(record.id)).encode())
    folder.write(MANIFEST, manifest.to_json().encode())
    folder.sweep()
    registry.end(record.id, DONE)
    return {"images": manifest.images, "ok": manifest.ok, "errors": manifest.errors}


def _why(missing: list[int], shards: int, figures: dict[int, dict[str, Any]]) -> str:
    reasons = {shard: figures.get(shard, {}).get("why", "its job ended without a word") for shard in missing}
    first = "; ".join(f"shard {shard}: {reasons[shard]}" for shard in missing[:_MOST_NAMED])
    more = f"; and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    return f"{len(missing)} of {shards} shards are not done. {first}{more}"
