"""Publishes a model version: NE vectors and song cards into Redis, then the flip that makes it live."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import redis

from songlens_shared.errors import ModelDamaged
from songlens_training.progress import Progress, silent
from songlens_workers.models.forgotten import ForgottenUsers
from songlens_workers.models.manifest import IMAGE_VECTORS, IMAGES, SONG_VECTORS, SONGS, USER_VECTORS, USERS, Manifest
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.songs.cards import SongCard
from songlens_workers.songs.ne_store import NeStore, Vectors

_PAGE = 2000
KEPT_VERSIONS = 3


def publish_model(store: ModelStore, version: str, connection: redis.Redis, *, progress: Progress = silent) -> Manifest:
    """Load a version into Redis and make it live; earlier ones past the last three are removed from Redis.

    Every file is checked first. Until the flip at the end nothing that serves is touched; publishing again is safe.
    Users who are forgotten are left out. Raises `ModelNotFound` or `ModelDamaged`.
    """
    folder, manifest = store.open(version)
    published = PublishedModels(connection)
    target, forgotten = NeStore(connection, manifest), ForgottenUsers(connection)
    _load(folder, manifest, target, forgotten, progress)
    published.add(manifest, published_s=time.time())
    _remove_forgotten(folder, manifest, target, forgotten)
    published.make_current(version)
    _remove_old(connection, published)
    return manifest


def _load(folder: Path, manifest: Manifest, target: NeStore, forgotten: ForgottenUsers, progress: Progress) -> None:
    total = manifest.images + 2 * manifest.songs + manifest.users
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        progress("Publishing to Redis", done, total)

    for ids, vectors in _pages(folder / IMAGES, folder / IMAGE_VECTORS, manifest):
        target.write_image_vectors(ids, vectors)
        count(len(ids))
    for ids, vectors in _pages(folder / SONGS, folder / SONG_VECTORS, manifest):
        target.write_song_vectors(ids, vectors)
        count(len(ids))
    if manifest.users:
        for ids, vectors in _pages(folder / USERS, folder / USER_VECTORS, manifest):
            _write_users(target, forgotten, ids, vectors)
            count(len(ids))
    for cards in _song_cards(folder / SONGS):
        target.write_song_cards(cards)
        count(len(cards))


def _write_users(target: NeStore, forgotten: ForgottenUsers, ids: Sequence[str], vectors: Vectors) -> None:
    kept = [row for row, left_out in enumerate(forgotten.among(ids)) if not left_out]
    target.write_user_vectors([ids[row] for row in kept], vectors[kept])


def _remove_forgotten(folder: Path, manifest: Manifest, target: NeStore, forgotten: ForgottenUsers) -> None:
    """Remove whoever was forgotten while the vectors were being written.

    Forgetting marks the user first and looks for vectors second; here they are written first and the marks looked at
    second. So one of the two always sees the other.
    """
    if not manifest.users:
        return
    for ids, _ in _pages(folder / USERS, folder / USER_VECTORS, manifest):
        marks = forgotten.among(ids)
        target.delete_user_vectors([user for user, left_out in zip(ids, marks, strict=True) if left_out])


def _pages(table: Path, vectors: Path, manifest: Manifest) -> Iterator[tuple[Sequence[str], Vectors]]:
    from pyarrow import parquet

    ids = parquet.read_table(table, columns=["id"]).column("id").to_pylist()
    matrix: Vectors = np.load(vectors, mmap_mode="r", allow_pickle=False)
    if matrix.shape != (len(ids), manifest.ne_dimensions):
        raise ModelDamaged(f"{vectors.name} has the shape {matrix.shape} for {len(ids)} rows; build the model again.")
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE], np.asarray(matrix[start : start + _PAGE])


def _song_cards(table: Path) -> Iterator[list[tuple[str, SongCard]]]:
    from pyarrow import parquet

    with parquet.ParquetFile(table) as file:
        for batch in file.iter_batches(_PAGE, columns=["id", "title", "artist", "keywords"]):
            yield [(row["id"], _song_card(row)) for row in batch.to_pylist()]


def _song_card(row: dict[str, Any]) -> SongCard:
    lines = {item["keyword"]: item["line"] for item in row["keywords"]}
    return SongCard(title=row["title"], artist=row["artist"], lines=lines)


def _remove_old(connection: redis.Redis, published: PublishedModels) -> None:
    versions = published.versions()
    live = {published.current(), published.previous()}
    for version in versions[:-KEPT_VERSIONS]:
        if version not in live:
            NeStore(connection, published.manifest(version)).delete()
            published.forget(version)
