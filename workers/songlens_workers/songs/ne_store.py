"""NE vectors and song cards of one model version in Redis: hashes by bucket, float32 little-endian."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from songlens_shared.errors import ModelDamaged
from songlens_shared.keys import ModelKeys, bucket_of
from songlens_shared.pipelines import results_of
from songlens_workers.models.manifest import Manifest
from songlens_workers.songs.cards import SongCard

Vectors = NDArray[np.float32]
_LITTLE_ENDIAN = np.dtype("<f4")
_PAGE = 1000


class NeStore:
    """Reads and writes the vectors and cards of one version."""

    def __init__(self, connection: redis.Redis, manifest: Manifest) -> None:
        self._redis = connection
        self._manifest = manifest
        self._keys = ModelKeys(manifest.version)

    def write_image_vectors(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Write float32 (N, D) vectors under their image ids."""
        self._write(self._keys.image_vectors, self._manifest.image_buckets, _packed(ids, vectors))

    def write_song_vectors(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Write float32 (N, D) vectors under their song ids."""
        self._write(self._keys.song_vectors, self._manifest.song_buckets, _packed(ids, vectors))

    def write_user_vectors(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Write float32 (N, D) vectors under their user ids."""
        self._write(self._keys.user_vectors, self._manifest.user_buckets, _packed(ids, vectors))

    def delete_user_vectors(self, ids: Sequence[str]) -> None:
        """Remove the vectors of users, whether they are there or not."""
        pipeline = self._redis.pipeline(transaction=False)
        for user_id in ids:
            pipeline.hdel(self._keys.user_vectors(bucket_of(user_id, self._manifest.user_buckets)), user_id)
        results_of(pipeline)

    def write_song_cards(self, cards: Iterable[tuple[str, SongCard]]) -> None:
        """Write song cards under their song ids."""
        packed = ((song_id, card.pack()) for song_id, card in cards)
        self._write(self._keys.song_cards, self._manifest.song_buckets, packed)

    def _write(self, key: Callable[[int], str], buckets: int, items: Iterable[tuple[str, bytes]]) -> None:
        remaining = iter(items)
        while page := list(islice(remaining, _PAGE)):
            by_bucket: dict[int, dict[str, bytes]] = {}
            for item_id, packed in page:
                by_bucket.setdefault(bucket_of(item_id, buckets), {})[item_id] = packed
            pipeline = self._redis.pipeline(transaction=False)
            for bucket, mapping in by_bucket.items():
                pipeline.hset(key(bucket), mapping=mapping)  # type: ignore[arg-type]
            results_of(pipeline)

    def song_vectors(self) -> tuple[list[str], Vectors]:
        """Return all song ids and their vectors, float32 (S, D), ordered by id.

        Raises `ModelDamaged` when Redis does not hold as many as the manifest says.
        """
        found: dict[str, bytes] = {}
        for bucket in range(self._manifest.song_buckets):
            page: Any = self._redis.hgetall(self._keys.song_vectors(bucket))
            found.update((song_id.decode(), packed) for song_id, packed in page.items())
        if not found or len(found) != self._manifest.songs:
            raise self._damaged(f"holds {len(found)} of {self._manifest.songs} song vectors")
        ids = sorted(found)
        return ids, self._unpacked([found[song_id] for song_id in ids])

    def image_vectors(self, ids: Sequence[str]) -> Vectors:
        """Return float32 (N, D) for image ids, in one round trip; raises `ModelDamaged` for one that is missing."""
        return self._unpacked(self._read(self._keys.image_vectors, self._manifest.image_buckets, ids))

    def user_vectors(self, ids: Sequence[str]) -> list[Vectors | None]:
        """Return float32 (D,) for each user id, in one round trip; None for a user that the version does not know."""
        if not self._manifest.users:
            return [None] * len(ids)
        found = self._fetch(self._keys.user_vectors, self._manifest.user_buckets, ids)
        known = iter(self._unpacked([packed for packed in found if packed is not None]))
        return [None if packed is None else next(known) for packed in found]

    def song_cards(self, ids: Sequence[str]) -> list[SongCard]:
        """Return the cards of song ids, in one round trip; raises `ModelDamaged` for one that is missing."""
        return [SongCard.unpack(card) for card in self._read(self._keys.song_cards, self._manifest.song_buckets, ids)]

    def _read(self, key: Callable[[int], str], buckets: int, ids: Sequence[str]) -> list[bytes]:
        """Return the entry of every id; raises `ModelDamaged` for one that is missing."""
        found = self._fetch(key, buckets, ids)
        missing = [item_id for item_id, entry in zip(ids, found, strict=True) if entry is None]
        if missing:
            raise self._damaged(f"lacks {len(missing)} entries, such as {missing[0]!r}")
        return [entry for entry in found if entry is not None]

    def _fetch(self, key: Callable[[int], str], buckets: int, ids: Sequence[str]) -> list[bytes | None]:
        """Return the entries of ids in their order, None for those that are missing, in one round trip."""
        by_bucket: dict[int, list[str]] = {}
        for item_id in ids:
            by_bucket.setdefault(bucket_of(item_id, buckets), []).append(item_id)
        pipeline = self._redis.pipeline(transaction=False)
        for bucket, members in by_bucket.items():
            pipeline.hmget(key(bucket), members)
        found: dict[str, bytes | None] = {}
        for members, values in zip(by_bucket.values(), results_of(pipeline), strict=True):
            found.update(zip(members, values, strict=True))
        return [found[item_id] for item_id in ids]

    def _unpacked(self, packed: Sequence[bytes]) -> Vectors:
        dimensions = self._manifest.ne_dimensions
        if any(len(vector) != dimensions * _LITTLE_ENDIAN.itemsize for vector in packed):
            raise self._damaged(f"holds vectors that are not of {dimensions} dimensions")
        joined = np.frombuffer(b"".join(packed), dtype=_LITTLE_ENDIAN)
        if not np.isfinite(joined).all():
            raise self._damaged("holds vectors that are not finite")
        return joined.reshape(len(packed), dimensions).astype(np.float32)  # (N, D)

    def _damaged(self, what: str) -> ModelDamaged:
        version = self._manifest.version
        return ModelDamaged(f"Redis {what} of model version {version}; run `songlens model publish {version}` again.")

    def delete(self) -> None:
        """Remove every vector and card of the version, without blocking the server."""
        pipeline = self._redis.pipeline(transaction=False)
        for bucket in range(self._manifest.image_buckets):
            pipeline.unlink(self._keys.image_vectors(bucket))
        for bucket in range(self._manifest.song_buckets):
            pipeline.unlink(self._keys.song_vectors(bucket))
            pipeline.unlink(self._keys.song_cards(bucket))
        for bucket in range(self._manifest.user_buckets):
            pipeline.unlink(self._keys.user_vectors(bucket))
        pipeline.execute()


def _packed(ids: Sequence[str], vectors: Vectors) -> Iterable[tuple[str, bytes]]:
    if vectors.ndim != 2 or len(ids) != len(vectors):
        raise ValueError(f"{len(ids)} ids do not go with vectors of shape {vectors.shape}")
    for item_id, vector in zip(ids, vectors.astype(_LITTLE_ENDIAN, copy=False), strict=True):
        yield item_id, vector.tobytes()
