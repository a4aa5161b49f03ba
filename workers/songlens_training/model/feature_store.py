"""Features that were computed once: what makes extraction resumable, and a second build cheap.

One folder for each backbone, weights and preprocessing; in it, shards of a few hundred rows, each written whole under a
temporary name and then renamed. Rows are named by the SHA-256 of the image file's bytes, so that a file that was moved
is found again and one that was changed is not. Several processes may write at once: at worst a row is there twice.

Rows are float32, or float16 in shards whose names say so: half the disk, and rounded. Who wants float32 does not see
those, so that a feature is never less exact than was asked for.
"""

from __future__ import annotations

import os
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from songlens_shared.errors import DataError, ModelError
from songlens_shared.messages import FLOAT16, FLOAT32
from songlens_workers.models.manifest import BackboneSpec
from songlens_workers.vision.backbone import Features

Digest = bytes
"""SHA-256 of an image file, 32 bytes."""

SHARD_IMAGES = 512
SHARD_S = 20.0
"""A shard is written when it is full or this old: at most so much work is lost."""

_DIGEST_BYTES = 32
_WHOLE = ".npz"
_HALF = ".float16.npz"
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


class FeatureStore:
    """The features of one backbone under a root folder; the folder may be removed at any time between builds."""

    def __init__(self, root: Path, spec: BackboneSpec, *, dtype: str = FLOAT32, part: str = "") -> None:
        """`dtype` is what rows are kept in. With a `part`, only shards that were added under its name are seen."""
        self.root = root
        self.spec = spec
        self.folder = root / spec.fingerprint
        self.dimensions = spec.dimensions
        self.dtype = dtype
        self._part = part

    def held(self) -> set[Digest]:
        """Return the digests of all rows. A shard that cannot be read is left out; its rows are computed again."""
        found: set[Digest] = set()
        for shard in self._shards():
            try:
                found.update(_digests(shard))
            except _UNREADABLE:
                continue
        return found

    def _shards(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        found = sorted(self.folder.glob(f"{self._part}*.npz"))
        return found if self.dtype == FLOAT16 else [shard for shard in found if not shard.name.endswith(_HALF)]

    def add(self, digests: Sequence[Digest], features: Features) -> None:
        """Keep float32 (B, D) under B digests, all or none, in the store's dtype.

        Raises `ModelError` where they cannot be written, or where float16 cannot hold one of them.
        """
        if features.shape != (len(digests), self.dimensions):
            raise ValueError(f"{len(digests)} digests do not go with features {features.shape}")
        rounded = _as_kept(features, self.dtype)
        name = f"{self._part}{uuid.uuid4().hex}"
        partial = self.folder / f"{name}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "backbone.json").write_text(self.spec.described() + "\n", encoding="utf-8")
            with partial.open("wb") as file:
                rows = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _DIGEST_BYTES)  # (B, 32)
                np.savez(file, digests=rows, features=rounded)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self.folder / f"{name}{_HALF if self.dtype == FLOAT16 else _WHOLE}")
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            raise ModelError(f"features cannot be kept in {self.folder}: {error.strerror or error}.") from error

    def copy(self, digests: Sequence[Digest], into: Features) -> None:
        """Fill float32 (N, D) with the rows of N digests, each shard read once: memory for one shard beside `into`.

        Raises `DataError` when a row is not there.
        """
        positions: dict[Digest, list[int]] = {}
        for position, digest in enumerate(digests):
            positions.setdefault(digest, []).append(position)
        for shard in self._shards():
            if not positions:
                return
            _copy_shard(shard, positions, into, self.dtype)
        if positions:
            raise DataError(f"{self.folder} lacks the features of {len(positions)} images; remove it and build again.")


class ShardWriter:
    """Gathers rows and adds them to a store a shard at a time.

    Use it in a `with`: what is left is added at its end, also when that comes by an error or Ctrl-C.
    """

    def __init__(self, store: FeatureStore, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock_s = clock_s
        self._begun_s = clock_s()
        self._digests: list[Digest] = []
        self._features: list[Features] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, digests: Sequence[Digest], features: Features) -> None:
        """Gather float32 (B, D). Raises `ModelError` where a shard cannot be written."""
        self._digests += digests
        self._features.append(features)
        if len(self._digests) >= SHARD_IMAGES or self._clock_s() - self._begun_s >= SHARD_S:
            self._write()

    def _write(self) -> None:
        digests, features = self._digests, self._features
        self._digests, self._features, self._begun_s = [], [], self._clock_s()
        if digests:
            self._store.add(digests, np.concatenate(features))


@contextmanager
def _opened(shard: Path) -> Iterator[Mapping[str, Any]]:
    # numpy leaves the file open when it is no archive, so it is opened here.
    with shard.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        yield arrays


def _digests(shard: Path) -> list[Digest]:
    with _opened(shard) as arrays:
        return [row.tobytes() for row in arrays["digests"]]


def _as_kept(features: Features, dtype: str) -> np.ndarray[Any, Any]:
    """Return (B, D) in a dtype; raises `ModelError` where float16 cannot hold a number."""
    if dtype == FLOAT32:
        return np.ascontiguousarray(features, np.float32)
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused
        rounded = np.ascontiguousarray(features, np.float16)
    if not np.isfinite(rounded).all():
        raise ModelError(
            f"a number of a feature, {np.abs(features).max():g}, does not fit into float16 (65504 at most); take "
            "`--features-dtype float32`."
        )
    return rounded


def _copy_shard(shard: Path, positions: dict[Digest, list[int]], into: Features, dtype: str) -> None:
    """Copy what is wanted of one shard, and take it off `positions`.

    Rows of a float16 store are rounded wherever they come from: which shards there are makes no difference.
    """
    try:
        with _opened(shard) as arrays:
            wanted = {row.tobytes(): number for number, row in enumerate(arrays["digests"])}
            wanted = {digest: number for digest, number in wanted.items() if digest in positions}
            features = _as_kept(arrays["features"], dtype) if wanted else into[:0]
    except _UNREADABLE:
        return
    for digest, number in wanted.items():
        into[positions.pop(digest)] = features[number]


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """The features of N images, in the order of the images, still in the store."""

    store: FeatureStore
    digests: Sequence[Digest]

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def dimensions(self) -> int:
        """D."""
        return self.store.dimensions

    def copy_into(self, rows: Features) -> None:
        """Fill float32 (N, D)."""
        self.store.copy(self.digests, rows)

    def matrix(self) -> Features:
        """Return float32 (N, D)."""
        rows = np.empty((len(self), self.dimensions), np.float32)
        self.copy_into(rows)
        return rows
