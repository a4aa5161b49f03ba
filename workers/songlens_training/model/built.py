"""A finished model version: what is told of it, what it is called, and how its sources are told from others."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from songlens_shared.errors import ConfigError
from songlens_training.catalogue.tables import RowSummary
from songlens_workers.models.manifest import Manifest, config_sha256

_NAME_TAKEN_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Built:
    """A finished version."""

    manifest: Manifest
    folder: Path
    summaries: Sequence[RowSummary]
    """Rows taken and refused, for songs, for images, and for the listening log if there is one."""

    rejects: Path
    """Where refused rows are, if there were any."""

    report: Mapping[str, Any]


def version_name(config: dict[str, Any], folder: Path) -> str:
    """Return the name of a version that is made now in a store's folder: names sort by the order of their making.

    They tell the second, so where a version of this second is there (whole or being built), the next one is waited for.
    """
    while True:
        moment = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
        if not any(folder.glob(f"{moment}-*")):
            return f"{moment}-{config_sha256(config)[:8]}"
        time.sleep(_NAME_TAKEN_S)


def tree_sha256(path: Path) -> str:
    """Hash a file's content, or the names and sizes below a folder."""
    if not path.exists():
        raise ConfigError(f"{path} does not exist.")
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listing = "\n".join(f"{file.relative_to(path)} {file.stat().st_size}" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()
