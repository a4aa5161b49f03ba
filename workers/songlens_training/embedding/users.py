"""User vectors that lie among the songs.

LINE's second order makes vertices near that have the same neighbours: songs and images, which share keywords, and users
who share songs. But a user and a song share no neighbour. Users have songs around them, songs have keywords and users;
so the vectors of users come to lie where those of keywords do, and their distance from a song says nothing. What says
it is the user's context: training turns the vector of a song towards the contexts of its listeners (equation 7), as it
turns it towards those of its keywords. A listener's context therefore lies amid the vectors of the songs played.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import VertexType


def with_user_vectors(embedding: Embedding) -> Embedding:
    """Return the embedding with each user's vector along the user's context, as long as a song's vector is on average.

    So |user - song| compares as |image - song| does. Nothing else is changed.
    """
    users = np.flatnonzero([vertex.type is VertexType.USER for vertex in embedding.vertices])
    contexts = embedding.contexts[users]  # (U, D)
    _, songs = embedding.of_type(VertexType.SONG)
    length = np.linalg.norm(songs, axis=1).mean()
    vectors = embedding.vectors.copy()
    vectors[users] = contexts * (length / np.maximum(np.linalg.norm(contexts, axis=1, keepdims=True), 1e-12))
    return replace(embedding, vectors=vectors)
