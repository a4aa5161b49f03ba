"""The manifest of a model version: what it was made from, and the checksum of every file."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from songlens_shared.errors import ModelDamaged, ModelMismatch

IMAGE_INDEX = "image_index.faiss"
IMAGE_CODES = "image_codes.npy"
IMAGE_CODE_TERMS = "image_code_terms.npy"
IMAGE_CODE_AXES = "image_code_axes.npy"
IMAGE_CLUSTERS = "image_clusters.faiss"
IMAGE_VECTORS = "ne_images.npy"
SONG_VECTORS = "ne_songs.npy"
KEYWORD_VECTORS = "ne_keywords.npy"
USER_VECTORS = "ne_users.npy"
WORD2VEC = "ne.txt"
SONGS = "songs.parquet"
IMAGES = "images.parquet"
USERS = "users.parquet"
CONTEXTS = "contexts.npy"
FOLD_IN = "fold_in.json"
CALIBRATION = "calibration.json"
REPORT = "report.json"
MANIFEST = "manifest.json"

VERSION_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FileEntry(BaseModel):
    """One file of a version."""

    model_config = ConfigDict(frozen=True)

    size_bytes: int
    sha256: str


class BackboneSpec(BaseModel):
    """What made the image features. A worker's backbone must agree on every field."""

    model_config = ConfigDict(frozen=True)

    name: str
    weights_sha256: str
    dimensions: int
    precision: str
    preprocessing: dict[str, Any]
    calibration_sha256: str | None = None
    """Of the file that an int8 network was calibrated by; None for other precisions."""

    def described(self) -> str:
        """Return the canonical text of all fields that are set: equal texts, equal features."""
        return json.dumps(self.model_dump(exclude_none=True), sort_keys=True)

    @property
    def fingerprint(self) -> str:
        """The name and the first 12 hex digits of the text's SHA-256: what features of one backbone are known by."""
        return f"{self.name}-{hashlib.sha256(self.described().encode()).hexdigest()[:12]}"

    def check(self, worker: BackboneSpec) -> None:
        """Raise `ModelMismatch` naming each field in which a worker's backbone differs."""
        differing = [
            f"{field} is {getattr(worker, field)} here and {getattr(self, field)} in the model"
            for field in type(self).model_fields
            if getattr(worker, field) != getattr(self, field)
        ]
        if differing:
            raise ModelMismatch(
                f"this worker's backbone is not the one that the model was built with: {'; '.join(differing)}. "
                "Start the worker with the model's backbone and weights, or build a model with this backbone."
            )


class Agreement(BaseModel):
    """How far neighbours in less than fp32 are those of fp32, measured on catalogue images when a version is built.

    recall@5: of the 5 neighbours in fp32 of held-out images, the share that is among the 5 found.
    """

    model_config = ConfigDict(frozen=True)

    recall_at_5: float
    """Both queries and indexed images in the version's precision."""

    recall_at_5_in_fp32: float
    """The queries alone in the version's precision, the indexed images in fp32."""

    queries: int
    images: int
    """In the index that was searched."""


class IndexEntry(BaseModel):
    """How the images of a version are searched."""

    model_config = ConfigDict(frozen=True)

    kind: str
    """flat, flat16, sq8, pca or ivf"""

    code_dimensions: int | None = None
    """Numbers of a code; None where vectors are compared whole."""

    clusters: int | None = None
    probed: int | None = None
    """Clusters that a search looks at."""

    memory_bytes: int
    """What a search reads, and memory should hold."""

    disk_bytes: int
    """The files of the index."""

    recall_at_5: float
    """Against exact search, measured when it was built; 1 where search is exact."""

    why: str
    """Why this kind was taken."""


class Manifest(BaseModel):
    """Everything about a version but its data."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    version: str
    base: str | None = None
    """The version that this one was made from by adding songs or images; None for one that was built."""

    created_at: str
    """ISO 8601, UTC."""

    songlens: str
    """The release that built it."""

    backbone: BackboneSpec
    agreement: Agreement | None = None
    """None in fp32, and where there are too few images to tell."""

    ne_dimensions: int
    images: int
    songs: int
    users: int = 0
    """Users with a vector; 0 for a version that was built without a listening log, or before there were users."""

    index: IndexEntry | None = None
    """None for a version of before there were kinds: flat."""

    keywords: list[str]
    image_buckets: int
    song_buckets: int
    user_buckets: int = 0
    config: dict[str, Any]
    config_sha256: str
    files: dict[str, FileEntry] = Field(default_factory=dict)

    def to_json(self) -> str:
        """Return the manifest as it stands in manifest.json and in Redis."""
        return self.model_dump_json(indent=1)

    def calibration(self, folder: Path) -> Path | None:
        """Return the calibration file in the version's folder; None where it needs none."""
        return folder / CALIBRATION if self.backbone.calibration_sha256 is not None else None

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str) -> Manifest:
        """Read a manifest; raises `ModelDamaged` saying what is wrong with it."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            reason = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
            raise ModelDamaged(f"the manifest {where} cannot be used ({reason}); build the model again.") from None

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        """A version is one flat folder; a manifest that points out of it is not ours."""
        for name in files:
            if not VERSION_PATTERN.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a file in the version's folder")
        return files


def config_sha256(config: dict[str, Any]) -> str:
    """Return the hash of a build's options, whatever their order."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_entry(path: Path) -> FileEntry:
    """Return size and checksum of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(size_bytes=path.stat().st_size, sha256=digest)
