"""Entries of the stream between the stages, as a vision worker writes them."""

from __future__ import annotations

import redis

from songlens_shared.codec import encode_hits
from songlens_shared.keys import PartitionKeys
from songlens_shared.messages import Hits, NeighbourImage

_TTL_S = 600


def hand_over(connection: redis.Redis, id: str, *, model: str, image: str, keys: PartitionKeys | None = None) -> None:
    """Put the hits of a request into the stream: one neighbour image."""
    at = keys or PartitionKeys()
    hits = Hits(
        id=id,
        client="app",
        model=model,
        images=(NeighbourImage(id=image, distance=0.5, keywords=("雪",)),),
        top_k=2,
        songs_per_image=2,
        submitted_ms=1,
        timings_ms={},
    )
    seconds, _ = connection.time()  # type: ignore[misc]
    fields = {"m": encode_hits(hits), "id": id, "client": "app", "deadline": (seconds + _TTL_S) * 1000}
    connection.xadd(at.hits, fields)  # type: ignore[arg-type]
