"""The manifest of a finished batch: how much it holds, what made it, and the checksum of every file."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from typing import IO, Literal

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from songlens_batch.errors import OutputUnusable
from songlens_batch.folder import PLAN, BatchFolder
from songlens_batch.plan.plan import PlannedShards
from songlens_batch.record import BatchConfig, BatchRecord
from songlens_batch.scoring.rows import ERROR, OK
from songlens_workers.models.manifest import FileEntry

_COUNTED = ["status", "error", "model"]
_CHUNK = 1 << 20


class BatchManifest(BaseModel):
    """Everything about a finished batch but its rows."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    id: str
    created_at: str
    ended_at: str
    """ISO 8601, UTC."""

    songlens: str
    config: BatchConfig
    config_sha256: str
    shards: int
    images: int
    ok: int
    errors: dict[str, int]
    """Photos that got nothing, by code."""

    models: dict[str, int]
    """Photos that got songs, by model version."""

    files: dict[str, FileEntry]

    def to_json(self) -> str:
        """Return the manifest as it stands in manifest.json."""
        return self.model_dump_json(indent=1)


def describe(folder: BatchFolder, record: BatchRecord, plan: PlannedShards) -> BatchManifest:
    """Read every file of a finished batch once; raises `OutputUnusable` where rows are missing."""
    files = {PLAN: _entry(folder, PLAN)}
    statuses: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for _, name in sorted(folder.finished().items()):
        files[name] = _entry(folder, name)
        with folder.reading(name) as file:
            _count(file, statuses, errors, models)
    if statuses.total() != plan.images:
        raise OutputUnusable(f"{folder} holds {statuses.total()} rows, and {plan.images} photos were planned.")
    return BatchManifest(
        id=record.id,
        created_at=record.created_at,
        ended_at=datetime.now(UTC).isoformat(timespec="seconds"),
        songlens=record.songlens,
        config=record.config,
        config_sha256=record.config_sha256,
        shards=plan.shards,
        images=plan.images,
        ok=statuses[OK],
        errors=dict(errors.most_common()),
        models=dict(models.most_common()),
        files=files,
    )


def _entry(folder: BatchFolder, name: str) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    with folder.reading(name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(size_bytes=size, sha256=digest.hexdigest())


def _count(file: IO[bytes], statuses: Counter[str], errors: Counter[str], models: Counter[str]) -> None:
    table = pq.read_table(file, columns=_COUNTED)
    statuses.update(table["status"].to_pylist())
    failed = table.filter(pc.equal(table["status"], ERROR))
    errors.update(error["code"] for error in failed["error"].to_pylist())
    models.update(model for model in table["model"].to_pylist() if model is not None)
