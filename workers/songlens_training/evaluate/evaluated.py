"""What the evaluation has to know of a model, wherever the model comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from songlens_training.catalogue.songs import Song
from songlens_training.evaluate.queries import QueryImage
from songlens_training.evaluate.systems import Positions
from songlens_workers.songs.ranker import SongRanker, Vectors
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.protocol import ImageIndex

_BLOCK_QUERIES = 1024


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluatedModel:
    """A model's songs and images, in the order of its vectors."""

    songs: Sequence[Song]
    song_keywords: Sequence[Collection[str]]
    """The catalogue keywords of each song."""
    song_vectors: Vectors
    """NE vectors, float32 (S, D)."""
    image_keywords: Sequence[str]
    """The heaviest keyword of each image, in simplified characters."""
    image_vectors: Vectors
    """NE vectors, float32 (I, D)."""

    def ranker(self) -> SongRanker:
        """Return the ranker that serves these songs."""
        return SongRanker(self.song_vectors)


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """A model, the query images that it has never seen, and where they lie among its images."""

    model: EvaluatedModel
    queries: Sequence[QueryImage]
    neighbours: Positions
    """The nearest catalogue images of each query image, int64 (Q, I), nearest first."""
    about: dict[str, Any]
    """What was evaluated, for the report: data, backbone, options, and what was left out."""


def neighbour_images(index: ImageIndex, features: Features, images_k: int) -> Positions:
    """Return int64 (Q, I), the catalogue images nearest to each feature, float32 (Q, F), as serving finds them."""
    blocks = [features[start : start + _BLOCK_QUERIES] for start in range(0, len(features), _BLOCK_QUERIES)]
    return np.concatenate([index.search(block, images_k)[1] for block in blocks])
