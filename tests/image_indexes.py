"""Image indexes of every kind, written and opened as a model version's are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from songlens_training.model.image_index import IndexOptions, write_image_index
from songlens_workers.models.manifest import IndexEntry
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.kinds import IndexKind


def filling(vectors: Features) -> Callable[[Features], None]:
    """Return what fills an index with vectors."""
    return lambda rows: np.copyto(rows, vectors)


def write_kind(folder: Path, kind: IndexKind, vectors: Features, *, recall: float = 0.0) -> IndexEntry:
    """Write the files of one kind; return what the manifest says of it."""
    folder.mkdir(exist_ok=True, parents=True)
    return write_image_index(folder, *vectors.shape, filling(vectors), IndexOptions(kind=kind, recall=recall))
