"""The plan of a catalogue's features: which images lack one, in shards, and those that the vision workers refused.

    FEATURES/FINGERPRINT/distributed/ID/record.json          backbone and dtype
                                        plan.parquet         path and digest of each image, a row group for each shard
                                        refused-00012.json   images of a shard that got no feature, and why

It lies in the feature store, which the job workers must reach anyway. A folder bears its name only when it is whole.
The store says which images are done, so that Redis may forget everything.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from songlens_batch.scoring.asking import Refused
from songlens_shared.errors import ModelError
from songlens_training.distributed.errors import NotShared
from songlens_training.model.feature_store import Digest, FeatureStore
from songlens_training.model.image_file import ImageFile
from songlens_training.whole_file import whole_file
from songlens_workers.models.manifest import BackboneSpec

_FOLDER = "distributed"
_RECORD = "record.json"
_PLAN = "plan.parquet"
_SCHEMA = pa.schema([pa.field("path", pa.string(), nullable=False), pa.field("digest", pa.binary(32), nullable=False)])


class PlanRecord(BaseModel):
    """What all shards of a plan have in common."""

    model_config = ConfigDict(frozen=True)

    backbone: BackboneSpec
    dtype: str


def plan_id(store: FeatureStore, images: Iterable[ImageFile]) -> str:
    """Return the same for the same images, backbone and dtype: what was begun is found again by it."""
    told = hashlib.sha256(f"{store.spec.fingerprint} {store.dtype}".encode())
    for digest in sorted({image.digest for image in images}):
        told.update(digest)
    return told.hexdigest()[:12]


def plan_folder(store: FeatureStore, id: str) -> Path:
    """Return where the plan of this id lies, as every process knows it."""
    return (store.folder / _FOLDER / id).absolute()


@dataclass(frozen=True)
class FeaturePlan:
    """A plan on disk."""

    folder: Path
    record: PlanRecord

    @classmethod
    def opened(cls, folder: Path) -> Self:
        """Open a plan; raises `NotShared` where there is none."""
        try:
            text = (folder / _RECORD).read_bytes()
            return cls(folder, PlanRecord.model_validate_json(text))
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise NotShared(
                f"{folder} cannot be read on {socket.gethostname()} ({reason}): job workers need the build's folder of "
                "features (`--features`) at the same path, shared and writable."
            ) from None

    @classmethod
    def write(cls, store: FeatureStore, id: str, images: Sequence[ImageFile], shard_size: int) -> Self:
        """Plan these images, in place of an earlier plan of this id. Raises `ModelError` where it cannot be written."""
        folder = plan_folder(store, id)
        partial = folder.with_name(f"{id}.{uuid.uuid4().hex}.partial")
        record = PlanRecord(backbone=store.spec, dtype=store.dtype)
        try:
            partial.mkdir(parents=True)
            _write_shards(partial / _PLAN, images, shard_size)
            with whole_file(partial / _RECORD) as file:
                file.write(record.model_dump_json(indent=1).encode())
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise ModelError(f"the plan cannot be written to {folder}: {error.strerror or error}.") from error
        return cls(folder, record)

    @property
    def id(self) -> str:
        """What the plan is known by."""
        return self.folder.name

    def store(self, shard: int | None = None) -> FeatureStore:
        """Return the store of the features; with a shard, that of the rows that the shard's jobs have put there."""
        root = self.folder.parents[2]
        part = "" if shard is None else f"{self.id}-{shard:05d}-"
        return FeatureStore(root, self.record.backbone, dtype=self.record.dtype, part=part)

    def digests(self) -> list[list[Digest]]:
        """Return the digests of each shard."""
        with pq.ParquetFile(self.folder / _PLAN) as plan:
            groups = range(plan.metadata.num_row_groups)
            return [plan.read_row_group(group, columns=["digest"])["digest"].to_pylist() for group in groups]

    def images(self, shard: int) -> list[ImageFile]:
        """Return a shard's images; raises `NotShared` where there is no such shard."""
        with pq.ParquetFile(self.folder / _PLAN) as plan:
            if not 0 <= shard < plan.metadata.num_row_groups:
                raise NotShared(f"the plan in {self.folder} has no shard {shard} any more; it was made anew.")
            rows = plan.read_row_group(shard).to_pylist()
        return [ImageFile(Path(row["path"]), row["digest"]) for row in rows]

    def refused(self, shard: int) -> dict[Digest, Refused]:
        """Return the images of a shard that got no feature; a file that cannot be read holds none."""
        try:
            found = json.loads(self._refused_file(shard).read_bytes())
            return {bytes.fromhex(digest): Refused(*why) for digest, why in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def note_refused(self, shard: int, refused: Mapping[Digest, Refused]) -> None:
        """Keep them, so that they are not asked for again. Raises `ModelError` where that cannot be written."""
        text = json.dumps({digest.hex(): (one.code, one.message) for digest, one in refused.items()}, indent=1)
        try:
            with whole_file(self._refused_file(shard)) as file:
                file.write(text.encode())
        except OSError as error:
            raise ModelError(f"{self.folder} cannot be written to: {error.strerror or error}.") from error

    def _refused_file(self, shard: int) -> Path:
        return self.folder / f"refused-{shard:05d}.json"

    def remove(self) -> None:
        """Remove the plan; the features stay."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write_shards(path: Path, images: Sequence[ImageFile], shard_size: int) -> None:
    remaining = iter(images)
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as plan:
        while shard := list(islice(remaining, shard_size)):
            columns = {
                "path": [str(image.path.absolute()) for image in shard],
                "digest": [image.digest for image in shard],
            }
            plan.write_table(pa.table(columns, schema=_SCHEMA), row_group_size=len(shard))


def existing_plan(store: FeatureStore, id: str) -> FeaturePlan | None:
    """Return the plan of this id where there is one that can be read."""
    with suppress(NotShared, OSError, pa.ArrowException):
        plan = FeaturePlan.opened(plan_folder(store, id))
        plan.digests()
        return plan
    return None
