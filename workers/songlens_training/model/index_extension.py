"""The image index of a version with more features at its end: of the same kind, and coded in the same way."""

from __future__ import annotations

import shutil
from pathlib import Path

import faiss

from songlens_training.model.feature_store import StoredFeatures
from songlens_training.model.image_index import encode_into, measured, new_codes, save_rows16
from songlens_workers.models.manifest import IMAGE_CLUSTERS, IMAGE_CODE_AXES, IMAGE_INDEX, IndexEntry
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.codes import Codes
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.index.kinds import IndexKind
from songlens_workers.vision.index.rows import Rows, float16_rows


def extend_index(base: Path, folder: Path, entry: IndexEntry | None, features: StoredFeatures) -> IndexEntry | None:
    """Write the files of the index of version folder `base`, `features` at its end; return what the manifest says.

    A version of before there were kinds stays one. Raises `ModelDamaged` for a base that cannot be read and
    `ModelError` or `DataError` where the new files cannot be written.
    """
    kind = IndexKind.FLAT if entry is None else IndexKind(entry.kind)
    if kind in (IndexKind.FLAT, IndexKind.FLAT16):
        extended = FlatImageIndex.extended(base / IMAGE_INDEX, len(features), features.copy_into)
        extended.save(folder / IMAGE_INDEX)
        added = extended.vectors[-len(features) :]
    else:
        added = features.matrix()
        _extend_rows16(base / IMAGE_INDEX, folder / IMAGE_INDEX, added)
    if kind is IndexKind.IVF:
        _extend_clusters(base / IMAGE_CLUSTERS, folder / IMAGE_CLUSTERS, added)
    elif kind is not IndexKind.FLAT:
        _extend_codes(base, folder, added)
    return None if entry is None else _grown(folder, entry, len(added))


def _extend_rows16(base: Path, path: Path, added: Features) -> None:
    old = Rows.open(base)
    rows = float16_rows(len(old) + len(added), old.dimensions)
    rows.vectors[: len(old)] = old.vectors
    save_rows16(rows, added, path, start=len(old))


def _extend_codes(base: Path, folder: Path, added: Features) -> None:
    old = Codes.open(base)
    numbers, terms = new_codes(folder, old.coding, len(old) + len(added))
    numbers[: len(old)], terms[:, : len(old)] = old.numbers, old.terms
    encode_into(numbers[len(old) :], terms[:, len(old) :], added, old.coding)
    numbers.flush()
    terms.flush()
    shutil.copyfile(base / IMAGE_CODE_AXES, folder / IMAGE_CODE_AXES)


def _extend_clusters(base: Path, path: Path, added: Features) -> None:
    index = faiss.read_index(str(base))
    index.add(added)
    faiss.write_index(index, str(path))


def _grown(folder: Path, entry: IndexEntry, added: int) -> IndexEntry:
    rows = Rows.open(folder / IMAGE_INDEX)
    memory_bytes = entry.memory_bytes * len(rows) // (len(rows) - added)
    return measured(folder, entry.model_copy(update={"memory_bytes": memory_bytes}), rows.vectors)
