"""Whose songs: the NE vector of the user that a request names, and how much it weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from songlens_shared.messages import Hits, Personal
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.ne_store import Vectors


@dataclass(frozen=True, slots=True)
class Taste:
    """The user of one request."""

    user: str = field(repr=False)
    vector: Vectors | None = field(repr=False)
    """float32 (D,), or None where the model version does not know the user."""

    weight: float
    """0 to 1, as it is applied."""

    def personal(self) -> Personal:
        """Return what the reply says of the user."""
        return Personal(user_weight=self.weight, known=self.vector is not None)


def tastes(model: SongModel, batch: Sequence[Hits], default_weight: float) -> list[Taste | None]:
    """Return the taste of each request's user, None where it names none; vectors are fetched in one round trip."""
    vectors = model.user_vectors.get_many(hits.user for hits in batch if hits.user is not None)
    return [
        None if hits.user is None else _taste(hits, hits.user, vectors[hits.user], default_weight) for hits in batch
    ]


def _taste(hits: Hits, user: str, vector: Vectors | None, default_weight: float) -> Taste:
    asked = default_weight if hits.user_weight is None else hits.user_weight
    return Taste(user, vector, asked if vector is not None else 0.0)
