"""An image of a catalogue, as whoever computes its feature gets it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from songlens_training.model.feature_store import Digest


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image as it was when it was read."""

    path: Path
    digest: Digest
