"""Which versions are published in Redis, and which one is live."""

from __future__ import annotations

from typing import Any

import redis

from songlens_shared.errors import ModelNotFound
from songlens_shared.keys import MODEL_CURRENT, MODEL_PREVIOUS, MODEL_VERSIONS, ModelKeys
from songlens_workers.models.manifest import Manifest


class PublishedModels:
    """The published versions of one Redis."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def current(self) -> str | None:
        """Return the live version, or None before the first publish."""
        return self._text(MODEL_CURRENT)

    def previous(self) -> str | None:
        """Return the version that was live before, or None."""
        return self._text(MODEL_PREVIOUS)

    def _text(self, key: str) -> str | None:
        value = self._redis.get(key)
        return value.decode() if isinstance(value, bytes) else None

    def versions(self) -> list[str]:
        """Return every published version, oldest publish first."""
        versions: Any = self._redis.zrange(MODEL_VERSIONS, 0, -1)
        return [version.decode() for version in versions]

    def manifest(self, version: str) -> Manifest:
        """Return a published version's manifest; raises `ModelNotFound`."""
        text = self._redis.get(ModelKeys(version).manifest)
        if not isinstance(text, bytes):
            raise ModelNotFound(
                f"model version {version} is not published; `songlens model publish {version}` does it."
            )
        return Manifest.from_json(text, where=f"of version {version} in Redis")

    def add(self, manifest: Manifest, *, published_s: float) -> None:
        """Record a version whose vectors and cards are all in Redis."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(ModelKeys(manifest.version).manifest, manifest.to_json())
        pipeline.zadd(MODEL_VERSIONS, {manifest.version: published_s})
        pipeline.execute()

    def make_current(self, version: str) -> None:
        """Flip the live version; raises `ModelNotFound` for one that is not published."""
        self.manifest(version)
        current = self.current()
        if version == current:
            return
        if current is not None:
            self._redis.set(MODEL_PREVIOUS, current)
        self._redis.set(MODEL_CURRENT, version)

    def rollback(self) -> str:
        """Flip back to the version before and return it; raises `ModelNotFound` where there is none."""
        previous = self.previous()
        if previous is None:
            raise ModelNotFound("there is no earlier version to go back to.")
        self.make_current(previous)
        return previous

    def forget(self, version: str) -> None:
        """Take a version off the list; its data is `NeStore.delete`'s to remove."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.delete(ModelKeys(version).manifest)
        pipeline.zrem(MODEL_VERSIONS, version)
        pipeline.execute()
