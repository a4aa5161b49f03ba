"""How good an embedding is, by what the catalogue itself says."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import VertexType
from songlens_training.keywords.table import KeywordTable
from songlens_workers.songs.ranker import SongRanker

SAMPLE = 2000

Vectors = NDArray[np.float32]
Words = Sequence[Collection[str]]


def keyword_precision(embedding: Embedding, table: KeywordTable, *, k: int) -> float:
    """Return precision@k of a catalogue's embedding, as `precision` has it: songs for images."""
    song_ids, songs = embedding.of_type(VertexType.SONG)
    image_ids, images = embedding.of_type(VertexType.IMAGE)
    song_words = [{use.word for use in table.songs[id]} for id in song_ids]
    return precision(images, [table.images[id] for id in image_ids], songs, song_words, k=k)


def precision(
    queries: Vectors, query_words: Words, answers: Vectors, answer_words: Words, *, k: int, sample: int = SAMPLE
) -> float:
    """Return precision@k: of the k answers nearest to a query, the share that bears a keyword of the query.

    `queries` (Q, D) and `answers` (A, D) are NE vectors, compared by Euclidean distance. The mean over all queries, or
    over `sample` of them, always the same ones.
    """
    asked = np.arange(len(queries))
    if len(queries) > sample:
        asked = np.sort(np.random.default_rng(0).choice(len(queries), sample, replace=False))
    _, positions = SongRanker(answers).nearest(queries[asked], k)  # (Q, K)
    bears = [
        not set(query_words[query]).isdisjoint(answer_words[answer])
        for query, row in zip(asked.tolist(), positions.tolist(), strict=True)
        for answer in row
    ]
    return float(np.mean(bears))
