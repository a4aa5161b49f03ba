"""The song stage's view of a model version: what is held in memory, and what is fetched when it is wanted."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from songlens_workers.models.published import PublishedModels
from songlens_workers.songs.cache import BatchCache
from songlens_workers.songs.cards import SongCard
from songlens_workers.songs.ne_store import NeStore, Vectors
from songlens_workers.songs.ranker import SongRanker


@dataclass(frozen=True)
class SongModel:
    """One version as the song stage holds it."""

    song_ids: list[str]
    ranker: SongRanker
    image_vectors: BatchCache[Vectors]
    user_vectors: BatchCache[Vectors | None]
    """None for a user that the version does not know."""

    cards: BatchCache[SongCard]

    @classmethod
    def load(
        cls,
        connection: redis.Redis,
        published: PublishedModels,
        version: str,
        *,
        vector_cache: int,
        card_cache: int,
        user_cache: int,
    ) -> SongModel:
        """Read a published version from Redis; raises `ModelNotFound` or `ModelDamaged`."""
        store = NeStore(connection, published.manifest(version))
        song_ids, vectors = store.song_vectors()
        return cls(
            song_ids=song_ids,
            ranker=SongRanker(vectors),
            image_vectors=BatchCache(vector_cache, lambda ids: list(store.image_vectors(ids))),
            user_vectors=BatchCache(user_cache, store.user_vectors),
            cards=BatchCache(card_cache, store.song_cards),
        )
