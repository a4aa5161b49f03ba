"""How good an embedding is, by what the catalogue itself says."""

from __future__ import annotations

import numpy as np

from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import VertexType
from songlens_training.keywords.table import KeywordTable
from songlens_workers.songs.ranker import SongRanker

_SAMPLE = 2000


def keyword_precision(embedding: Embedding, table: KeywordTable, *, k: int, seed: int = 0) -> float:
    """Return precision@k: of the k songs nearest to an image, the share that bears a keyword of the image.

    The mean over all images, or over 2,000 of them drawn by `seed`; songs by Euclidean distance between NE vectors.
    """
    song_ids, songs = embedding.of_type(VertexType.SONG)
    image_ids, images = embedding.of_type(VertexType.IMAGE)
    if len(image_ids) > _SAMPLE:
        drawn = np.sort(np.random.default_rng(seed).choice(len(image_ids), _SAMPLE, replace=False))
        image_ids, images = [image_ids[row] for row in drawn], images[drawn]
    words = {song_id: {use.word for use in uses} for song_id, uses in table.songs.items()}
    _, positions = SongRanker(songs).nearest(images, k)  # (I, K)
    bears = [
        not words[song_ids[song]].isdisjoint(table.images[image_id])
        for image_id, row in zip(image_ids, positions.tolist(), strict=True)
        for song in row
    ]
    return float(np.mean(bears))
