"""Walks (HPE) recover communities, which edges alone (LINE) show only in part.

Keywords come in 8 communities of 40. A song bears three of one community, and one of four that are common to all; an
image bears a single one. So only some of the songs of an image's community share its keyword, and to find the others
is to go on from song to keyword to song. The measure is precision@50: of the 50 songs nearest to an image by Euclidean
distance, the share of its community. Chance is 1/8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.sampling import BALANCED, HPE, SMORE, Sampling
from songlens_training.embedding.train import train_embedding
from songlens_training.graph.graph import Graph, VertexType, build_graph

COMMUNITIES, KEYWORDS, SONGS, COMMON = 8, 40, 800, 4
WALKS = EmbeddingOptions(dimensions=32, samples=2_000_000, threads=1, start="random", sampling=HPE)
GOOD, BROKEN = 0.98, 0.90


@pytest.fixture(scope="module")
def planted() -> Graph:
    """Song `s` is of community s mod 8; the keys of images and keywords begin with theirs."""
    random = np.random.default_rng(5)

    def bag(community: int) -> dict[str, float]:
        own = random.choice(KEYWORDS, 3, replace=False)
        return {f"{community}-{keyword}": 1.0 for keyword in own} | {f"common-{random.integers(COMMON)}": 1.0}

    songs = {str(song): bag(song % COMMUNITIES) for song in range(SONGS)}
    images = {key: {key: 1.0} for key in (f"{c}-{k}" for c in range(COMMUNITIES) for k in range(KEYWORDS))}
    return build_graph({VertexType.SONG: songs, VertexType.IMAGE: images})


def precision_at_50(graph: Graph, options: EmbeddingOptions) -> float:
    embedding = train_embedding(graph, options)
    song_keys, songs = embedding.of_type(VertexType.SONG)
    image_keys, images = embedding.of_type(VertexType.IMAGE)
    distances = (songs**2).sum(axis=1)[None, :] - 2 * images @ songs.T  # (I, S), up to the images' own lengths
    nearest = np.argsort(distances, axis=1)[:, :50]  # (I, 50)
    of_songs = np.array([int(key) % COMMUNITIES for key in song_keys])
    of_images = np.array([int(key.partition("-")[0]) for key in image_keys])
    return float((of_songs[nearest] == of_images[:, None]).mean())


def test_walks_find_the_community(planted: Graph) -> None:
    """Nearly all of the songs near an image are of its community, whether they bear its keyword or not."""
    assert precision_at_50(planted, WALKS) >= GOOD


@pytest.mark.parametrize("sampling", [BALANCED, SMORE], ids=["balanced", "smore"])
def test_edges_alone_find_less(planted: Graph, sampling: Sampling) -> None:
    """What walks add is theirs: the same samples of edges leave many songs of other communities."""
    assert precision_at_50(planted, replace(WALKS, sampling=sampling)) <= BROKEN


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"learning_rate": 0.0}, id="no learning rate"),
        pytest.param({"negatives": 0}, id="no negatives"),
        pytest.param({"samples": 20_000}, id="too few samples"),
        pytest.param({"sampling": replace(HPE, regularisation=0.2)}, id="vectors shrunk to nothing"),
    ],
)
def test_the_communities_are_lost_when_a_part_is_broken(planted: Graph, broken: dict[str, float]) -> None:
    """Each of the parts is needed."""
    assert precision_at_50(planted, replace(WALKS, **broken)) <= BROKEN  # type: ignore[arg-type]
