"""Songs and images that are folded in are as good as those that were trained with all the others.

The graph has a planted truth: each song has one true keyword and three false ones, lighter and drawn by popularity;
each image bears one keyword, and each keyword is true of as many songs and images. A fifth of the songs, or of the
images, is left out of training and folded in. What comes of them is compared with training on the whole graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from songlens_training.embedding.contexts import kept_contexts
from songlens_training.embedding.fold_in import fold_in
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.placement import place
from songlens_training.embedding.profiles import Profiles
from songlens_training.embedding.sampling import HPE, LINE, SMORE
from songlens_training.embedding.train import train_embedding, unit_length
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, VertexType, build_graph
from songlens_workers.songs.ranker import SongRanker

SONG, IMAGE, KEYWORD = VertexType.SONG, VertexType.IMAGE, VertexType.KEYWORD
KEYWORDS, SONGS, IMAGES = 24, 2000, 480
DEFAULT = EmbeddingOptions(dimensions=32, threads=1)

Bags = dict[str, dict[str, float]]
Matrix = NDArray[np.float32]


@cache
def catalogue() -> tuple[Bags, Bags]:
    """Songs and images with their keywords."""
    random = np.random.default_rng(11)
    popularity = 1 / (1.0 + np.arange(KEYWORDS))
    songs: Bags = {}
    for number in range(SONGS):
        true = number % KEYWORDS
        chances = np.where(np.arange(KEYWORDS) == true, 0, popularity)
        false = random.choice(KEYWORDS, 3, replace=False, p=chances / chances.sum())
        songs[f"s{number}"] = {f"k{true}": float(random.uniform(3, 5))} | {
            f"k{keyword}": float(random.uniform(0.5, 1.5)) for keyword in false
        }
    return songs, {f"i{number}": {f"k{number % KEYWORDS}": 1.0} for number in range(IMAGES)}


def is_held_out(id: str) -> bool:
    return int(id[1:]) % 5 == 2


@dataclass(frozen=True)
class Split:
    """A base that lacks the held-out vertices of one type, and a model trained on everything."""

    kind: VertexType
    base: Embedding
    base_graph: Graph
    whole: Embedding


@cache
def split(kind: VertexType, options: EmbeddingOptions) -> Split:
    songs, images = catalogue()
    everything = {SONG: songs, IMAGE: images}
    kept = {id: bag for id, bag in everything[kind].items() if not is_held_out(id)}
    graph = build_graph(everything | {kind: kept})
    return Split(
        kind=kind,
        base=train_embedding(graph, options),
        base_graph=graph,
        whole=train_embedding(build_graph(everything), options),
    )


def held_out(kind: VertexType) -> Bags:
    return {id: bag for id, bag in catalogue()[kind is IMAGE].items() if is_held_out(id)}


def added(split: Split, options: EmbeddingOptions) -> Matrix:
    """The held-out vertices as additions place them."""
    contexts, new = kept_contexts(split.base, split.base_graph, options), held_out(split.kind)
    trained_ids, trained = split.base.of_type(split.kind)
    bags = catalogue()[split.kind is IMAGE]
    old = Profiles.of([bags[id] for id in trained_ids], contexts.words)
    return place(contexts, list(new), Profiles.of(list(new.values()), contexts.words), old, trained)


def only_folded_in(split: Split, options: EmbeddingOptions) -> Matrix:
    """The held-out vertices without what training adds."""
    contexts, new = kept_contexts(split.base, split.base_graph, options), held_out(split.kind)
    return unit_length(fold_in(contexts, Profiles.of(list(new.values()), contexts.words)).astype(np.float32))


def retrained(split: Split) -> Matrix:
    """The held-out vertices as training on everything has them."""
    ids, vectors = split.whole.of_type(split.kind)
    row = {id: number for number, id in enumerate(ids)}
    return vectors[[row[id] for id in held_out(split.kind)]]


def hits(queries: Matrix, query_bags: list[dict[str, float]], answers: Matrix, bags: list[dict[str, float]]) -> float:
    """Of the 10 answers nearest to a query, the share whose true keyword is the query's."""
    _, nearest = SongRanker(answers).nearest(queries, 10)
    truth = [max(bag, key=lambda word: bag[word]) for bag in bags]
    asked = [max(bag, key=lambda word: bag[word]) for bag in query_bags]
    return float(np.mean([truth[answer] == asked[query] for query, row in enumerate(nearest) for answer in row]))


def song_hits(vectors: Matrix, embedding: Embedding) -> float:
    """How well images find held-out songs among themselves."""
    ids, images = embedding.of_type(IMAGE)
    songs, bags = catalogue()
    return hits(images, [bags[id] for id in ids], vectors, [bag for id, bag in songs.items() if is_held_out(id)])


def image_hits(vectors: Matrix, embedding: Embedding) -> float:
    """How well held-out images find songs."""
    ids, song_vectors = embedding.of_type(SONG)
    songs, images = catalogue()
    held = [bag for id, bag in images.items() if is_held_out(id)]
    return hits(vectors, held, song_vectors, [songs[id] for id in ids])


@pytest.mark.parametrize(
    "options",
    [
        DEFAULT,
        replace(DEFAULT, sampling=LINE),
        replace(DEFAULT, sampling=SMORE),
        replace(DEFAULT, sampling=HPE),
        replace(DEFAULT, order=1),
        replace(DEFAULT, normalise=False),
    ],
    ids=["default", "LINE", "SMORe", "HPE", "first order", "any length"],
)
@pytest.mark.parametrize(("kind", "measure"), [(SONG, song_hits), (IMAGE, image_hits)], ids=["songs", "images"])
def test_the_hit_rate_is_that_of_training_anew(
    options: EmbeddingOptions, kind: VertexType, measure: Callable[[Matrix, Embedding], float]
) -> None:
    """Hit rate@10 of what was folded in is within 5 % of what training on everything reaches."""
    parts = split(kind, options)
    reference = measure(retrained(parts), parts.whole)
    assert reference > 0.8  # the truth can be found
    assert measure(added(parts, options), parts.base) >= 0.95 * reference


def share_among_nearest(vectors: Matrix, split: Split) -> float:
    """Of the 10 songs nearest to an image, the share that was held out."""
    _, songs = split.base.of_type(SONG)
    _, images = split.base.of_type(IMAGE)
    _, nearest = SongRanker(np.concatenate([songs, vectors])).nearest(images, 10)
    return float((nearest >= len(songs)).mean())


def test_added_songs_come_back_as_often_as_trained_ones() -> None:
    """A fifth of the songs was added; of those that come back it is no less than half of that, nor more than twice."""
    assert 0.1 < share_among_nearest(added(split(SONG, DEFAULT), DEFAULT), split(SONG, DEFAULT)) < 0.4


def nearest_song(vectors: Matrix, embedding: Embedding) -> float:
    """The mean distance of images from the song nearest to each."""
    distances, _ = SongRanker(embedding.of_type(SONG)[1]).nearest(vectors, 1)
    return float(distances.mean())


def test_added_images_lie_where_trained_ones_do() -> None:
    """The song nearest to an added image is about as near as to a trained one. That is what peers are for: images that
    are only folded in lie far off, although they find the same songs."""
    parts = split(IMAGE, DEFAULT)
    trained = nearest_song(retrained(parts), parts.whole)
    assert 0.9 * trained < nearest_song(added(parts, DEFAULT), parts.base) < 1.1 * trained
    alone = only_folded_in(parts, DEFAULT)
    assert nearest_song(alone, parts.base) > 1.2 * trained
    assert image_hits(alone, parts.base) > 0.9
