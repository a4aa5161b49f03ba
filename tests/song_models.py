"""Small published versions: songs and images whose NE vectors a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import redis

from songlens_shared.keys import bucket_count
from songlens_workers.models.manifest import BackboneSpec, Manifest
from songlens_workers.models.published import PublishedModels
from songlens_workers.songs.cards import SongCard
from songlens_workers.songs.ne_store import NeStore, Vectors


def manifest(version: str, *, images: int, songs: int, dimensions: int, **changes: Any) -> Manifest:
    """Return the manifest of a version that has no files."""
    fields: dict[str, Any] = {
        "version": version,
        "created_at": "2026-01-02T03:04:05Z",
        "songlens": "0.1.0",
        "backbone": BackboneSpec(
            name="tiny", weights_sha256="0" * 64, dimensions=64, precision="fp32", preprocessing={}
        ),
        "ne_dimensions": dimensions,
        "images": images,
        "songs": songs,
        "keywords": ["雪"],
        "image_buckets": bucket_count(images),
        "song_buckets": bucket_count(songs),
        "config": {},
        "config_sha256": "0" * 64,
    }
    return Manifest(**(fields | changes))


def image_ids(count: int) -> list[str]:
    """Return `count` image ids."""
    return [f"image-{number}" for number in range(count)]


def song_ids(count: int) -> list[str]:
    """Return `count` song ids; their order by name is their order by number."""
    return [f"song-{number:05}" for number in range(count)]


def user_ids(count: int) -> list[str]:
    """Return `count` user ids."""
    return [f"听众 {number}" for number in range(count)]


def cards(ids: Sequence[str], version: str) -> list[tuple[str, SongCard]]:
    """Return a card for each song, whose title says from which version it is."""
    lines = {"雪": "夜里下起了雪"}
    return [(id, SongCard(title=f"{id} of {version}", artist="某人", lines=lines)) for id in ids]


def publish(
    connection: redis.Redis, version: str, images: Vectors, songs: Vectors, users: Vectors | None = None
) -> Manifest:
    """Publish a version with these NE vectors, (I, D), (S, D) and perhaps (U, D), and make it live."""
    known = {} if users is None else {"users": len(users), "user_buckets": bucket_count(len(users))}
    made = manifest(version, images=len(images), songs=len(songs), dimensions=images.shape[1], **known)
    store = NeStore(connection, made)
    store.write_image_vectors(image_ids(len(images)), images)
    store.write_song_vectors(song_ids(len(songs)), songs)
    store.write_song_cards(cards(song_ids(len(songs)), version))
    if users is not None:
        store.write_user_vectors(user_ids(len(users)), users)
    published = PublishedModels(connection)
    published.add(made, published_s=0)
    published.make_current(version)
    return made


def random_vectors(seed: int, rows: int, dimensions: int = 8) -> Vectors:
    """Return float32 (rows, dimensions) of a normal distribution."""
    return np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)
