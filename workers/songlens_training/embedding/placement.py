"""Where new vertices lie among trained ones: the folded-in vector, and what training has added to it.

Training stops long before LINE's objective is at its minimum, contexts move meanwhile, and chance has its part; so
trained vectors lie off the folded-in ones, those of alike keywords in about the same direction. New vertices that were
only folded in would find one another well, and beside trained ones would hardly ever come back (docs/method.md has the
figures). So each new vertex is put off its folded-in vector as the trained vertices are that are most like it: its
*peers*.

After one peer alone a new vertex would be a copy wherever their keywords agree; after the mean of several it would lie
nearer to the images than trained vertices do, for noise cancels out. So three are mixed by `MIX`, whose sum is 1 and
whose sum of squares is 1 too: as far off, and as scattered, as training leaves vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from songlens_training.embedding.contexts import Contexts
from songlens_training.embedding.fold_in import Exact, fold_in
from songlens_training.embedding.profiles import Profiles

Vectors = NDArray[np.float32]

MIX = (2 / 3, 2 / 3, -1 / 3)
"""The shares of the three peers, the most alike first."""
_SAME = 1e-6
"""Likenesses closer than this are equal, and chance decides."""
_ONE_PEER = (1.0, 0.0, 0.0)
_NO_PEER = (0.0, 0.0, 0.0)


def place(
    contexts: Contexts, ids: Sequence[str], new: Profiles, trained: Profiles, trained_vectors: Vectors
) -> Vectors:
    """Return the vectors of new vertices, float32 (N, D), comparable with `trained_vectors` (T, D).

    `new` and `trained` are the keywords of the new and of all trained vertices of one type. The same ids and keywords
    give the same vectors whatever their order, beyond rounding.
    """
    folded = _scaled(contexts, fold_in(contexts, new))  # (N, D)
    peers, shares = find_peers(ids, new, trained)  # (N, 3) both
    used, position = np.unique(peers, return_inverse=True)
    offsets = trained_vectors[used] - _scaled(contexts, fold_in(contexts, trained.rows(used)))  # (U, D)
    mixed = np.einsum("np,npd->nd", shares, offsets[position.reshape(peers.shape)])  # (N, D)
    return _scaled(contexts, folded + mixed).astype(np.float32)


def _scaled(contexts: Contexts, vectors: Exact) -> Exact:
    if not contexts.normalise:
        return vectors
    unit: Exact = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def find_peers(ids: Sequence[str], new: Profiles, trained: Profiles) -> tuple[NDArray[np.int64], Exact]:
    """Return three peers of each new vertex, and their shares in its offset: (N, 3) both.

    Likeness is the cosine between weights of keywords. Among equals the new vertex's id decides, as by lot, so that
    vertices with the same keywords get different peers. A share is 0 where there is no such peer.
    """
    likeness = _Likeness(trained, int(max(new.keywords.max(), trained.keywords.max())) + 1)
    peers = np.zeros((len(new), len(MIX)), np.int64)
    shares = np.zeros((len(new), len(MIX)))
    for row, id in enumerate(ids):
        entries = slice(new.starts[row], new.starts[row + 1])
        found = _most_alike(likeness.to(new.keywords[entries], new.weights[entries]), id)
        peers[row, : len(found)] = found
        shares[row] = MIX if len(found) == len(MIX) else _ONE_PEER if len(found) else _NO_PEER
    return peers, shares


class _Likeness:
    """Cosines of weights with all trained vertices, through the lists of vertices that bear a keyword."""

    def __init__(self, trained: Profiles, keywords: int) -> None:
        owner = trained.owners
        lengths = np.sqrt(np.bincount(owner, trained.weights**2, len(trained)))
        order = np.argsort(trained.keywords, kind="stable")
        self._bearers = owner[order]
        self._weights = (trained.weights / lengths[owner])[order]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(trained.keywords, minlength=keywords))])
        self._count = len(trained)

    def to(self, keywords: NDArray[np.int32], weights: Exact) -> Exact:
        """Return the likeness (T,) of each trained vertex to one vertex."""
        cosines = np.zeros(self._count)
        for keyword, weight in zip(keywords, weights / np.linalg.norm(weights), strict=True):
            listed = slice(self._starts[keyword], self._starts[keyword + 1])
            cosines[self._bearers[listed]] += weight * self._weights[listed]  # a vertex bears a keyword once
        return cosines


def _most_alike(likeness: Exact, id: str) -> NDArray[np.int64]:
    """Return up to three vertices, the most alike first; none that shares no keyword."""
    bearers = np.flatnonzero(likeness)
    count = min(len(MIX), len(bearers))
    if count == 0:
        return bearers
    values = likeness[bearers]
    candidates = values >= np.partition(values, -count)[-count] - _SAME
    bearers, values = bearers[candidates], values[candidates]
    lots = np.random.default_rng(int.from_bytes(hashlib.sha256(id.encode()).digest()[:8])).random(len(bearers))
    order = np.lexsort([lots, -np.round(values / _SAME)])[:count]
    most_alike: NDArray[np.int64] = bearers[order]
    return most_alike
