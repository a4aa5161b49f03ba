"""The songs of a batch of hits: ranked for all of them at once, picked for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from songlens_shared.messages import Hits
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.ranker import Blends, Pick, pick
from songlens_workers.songs.taste import Taste


def pick_all(model: SongModel, batch: Sequence[Hits], tastes: Sequence[Taste | None]) -> list[list[Pick]]:
    """Return the picks of each request. Where no user has any weight, they are the paper's, whoever is in the batch."""
    picks: list[list[Pick]] = [[] for _ in batch]
    personal = {row: taste for row, taste in enumerate(tastes) if taste is not None and taste.weight > 0}
    for_all = [row for row in range(len(batch)) if row not in personal]
    for row, picked in zip(for_all, _for_all(model, [batch[row] for row in for_all]), strict=True):
        picks[row] = picked
    for_users = _for_users(model, [batch[row] for row in personal], list(personal.values()))
    for row, picked in zip(personal, for_users, strict=True):
        picks[row] = picked
    return picks


def _for_all(model: SongModel, batch: Sequence[Hits]) -> list[list[Pick]]:
    """Rank every distinct neighbour image of the batch once, then pick for each request."""
    vectors = model.image_vectors.get_many(image.id for hits in batch for image in hits.images)
    if not vectors:
        return [[] for _ in batch]
    row = {image_id: position for position, image_id in enumerate(vectors)}
    k = max(hits.top_k for hits in batch)
    distances, positions = model.ranker.nearest(np.stack(list(vectors.values())), k)  # (U, K)
    picks = []
    for hits in batch:
        rows = [row[image.id] for image in hits.images]
        picks.append(pick(distances[rows], positions[rows], top_k=hits.top_k, songs_per_image=hits.songs_per_image))
    return picks


def _for_users(model: SongModel, batch: Sequence[Hits], tastes: Sequence[Taste]) -> list[list[Pick]]:
    """Rank every neighbour image of every request together with its user, then pick for each request."""
    images = model.image_vectors.get_many(image.id for hits in batch for image in hits.images)
    if not images:
        return [[] for _ in batch]
    users = {taste.user: taste.vector for taste in tastes if taste.vector is not None}
    image_row = {image_id: row for row, image_id in enumerate(images)}
    user_row = {user: row for row, user in enumerate(users)}
    counts = [len(hits.images) for hits in batch]
    blends = Blends(
        images=np.array([image_row[image.id] for hits in batch for image in hits.images]),
        users=np.repeat([user_row[taste.user] for taste in tastes], counts),
        weights=np.repeat([taste.weight for taste in tastes], counts),
    )
    k = max(hits.top_k for hits in batch)
    distances, positions = model.ranker.nearest_blended(
        np.stack(list(images.values())), np.stack(list(users.values())), blends, k
    )  # (R, K)
    ends = np.cumsum(counts)
    return [
        pick(
            distances[end - count : end],
            positions[end - count : end],
            top_k=hits.top_k,
            songs_per_image=hits.songs_per_image,
        )
        for hits, count, end in zip(batch, counts, ends, strict=True)
    ]
