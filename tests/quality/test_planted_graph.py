"""LINE recovers a planted truth, and does not when a part of it is broken.

Every song has one true keyword, tied by a strong edge, and four false ones, tied by weak edges, so that only weights
tell what a song is about. Keywords are unlike in popularity, as words are, and false ones most of all: without
negatives the vectors of the popular ones swamp the rest. Every image bears one keyword, each as often. The measure is
precision@10: of the 10 songs nearest to an image by Euclidean distance, the share whose true keyword the image bears.
Chance is about 1/24.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.sampling import BALANCED, SMORE
from songlens_training.embedding.sampling import LINE as LINE_SAMPLING
from songlens_training.embedding.torch_line import TorchLine
from songlens_training.embedding.train import TrainingProgress, train_embedding, train_with
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, VertexType, build_graph

KEYWORDS, SONGS, IMAGES, FALSE_KEYWORDS = 24, 2400, 480, 4
STRONG, WEAK = 4.0, 1.5
LINE = EmbeddingOptions(dimensions=32, samples=1_500_000, threads=1, start="random")
"""LINE from its own start, which knows nothing of the graph: what is found is found by training."""
EVEN, INVERSE = replace(BALANCED, neighbour_power=0.0), replace(BALANCED, neighbour_power=-1.0)
GOOD, BROKEN = 0.95, 0.60


@dataclass(frozen=True)
class Planted:
    """The graph and its truth."""

    graph: Graph
    song_truth: NDArray[np.int64]
    image_truth: NDArray[np.int64]


@pytest.fixture(scope="module")
def planted() -> Planted:
    random = np.random.default_rng(3)
    rank = 1.0 + np.arange(KEYWORDS)
    image_truth = np.arange(IMAGES) % KEYWORDS
    drawn = random.choice(KEYWORDS, SONGS - IMAGES, p=(1 / rank) / (1 / rank).sum())
    song_truth = np.concatenate([image_truth, drawn])  # each keyword is true of 20 songs at least
    songs = {str(song): song_keywords(int(truth), rank**-1.5, random) for song, truth in enumerate(song_truth)}
    images = {str(image): {str(truth): 1.0} for image, truth in enumerate(image_truth)}
    return Planted(build_graph({VertexType.SONG: songs, VertexType.IMAGE: images}), song_truth, image_truth)


def song_keywords(truth: int, popularity: NDArray[np.float64], random: np.random.Generator) -> dict[str, float]:
    """Return the weights of a song: its true keyword, and false ones drawn by popularity."""
    chances = np.where(np.arange(KEYWORDS) == truth, 0, popularity)
    false = random.choice(KEYWORDS, FALSE_KEYWORDS, replace=False, p=chances / chances.sum())
    return {str(truth): STRONG} | {str(keyword): WEAK for keyword in false}


def precision_at_10(planted: Planted, options: EmbeddingOptions) -> float:
    return precision_of(planted, train_embedding(planted.graph, options))


def precision_of(planted: Planted, embedding: Embedding) -> float:
    song_keys, songs = embedding.of_type(VertexType.SONG)
    image_keys, images = embedding.of_type(VertexType.IMAGE)
    distances = (songs**2).sum(axis=1)[None, :] - 2 * images @ songs.T  # (I, S), up to the images' own lengths
    nearest = np.argsort(distances, axis=1)[:, :10]  # (I, 10)
    found = planted.song_truth[np.array(song_keys, int)[nearest]]
    return float((found == planted.image_truth[np.array(image_keys, int)][:, None]).mean())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"threads": 2},
        {"order": 1},
        {"order": 1, "start": "propagated"},
        {"sampling": replace(BALANCED, source_power=1.0)},
        {"sampling": LINE_SAMPLING, "samples": 4_000_000},
        {"sampling": SMORE, "samples": 4_000_000},
        {"start": "propagated"},
        {"start": "propagated", "samples": None},
    ],
    ids=str,
)
def test_the_planted_truth_is_found(planted: Planted, change: dict[str, Any]) -> None:
    """Nearly all neighbours are true: from either start, by either noise, on one thread or two, by default samples."""
    assert precision_at_10(planted, replace(LINE, **change)) >= GOOD


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"learning_rate": 0.0}, id="no learning rate"),
        pytest.param({"learning_rate": 0.0002}, id="learning rate too low"),
        pytest.param({"negatives": 0}, id="no negatives"),
        pytest.param({"sampling": EVEN}, id="edges drawn evenly instead of by weight"),
        pytest.param({"sampling": INVERSE}, id="edges drawn against their weight"),
        pytest.param({"samples": 20_000}, id="too few samples"),
    ],
)
def test_the_truth_is_lost_when_a_part_is_broken(planted: Planted, broken: dict[str, Any]) -> None:
    """Each of the parts is needed: without it precision falls far below what the test above demands."""
    assert precision_at_10(planted, replace(LINE, **broken)) <= BROKEN


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads of torch that wait for one another on a busy machine take minutes for these small tensors."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, True),
        ({"order": 1}, True),
        ({"negatives": 0}, False),
        ({"sampling": EVEN}, False),
    ],
    ids=str,
)
@pytest.mark.usefixtures("one_thread")
def test_batches_of_tensors_find_the_same_truth(planted: Planted, change: dict[str, Any], found: bool) -> None:
    """What trains large graphs on a GPU finds the truth, here on the processor, and loses it when a part is broken."""
    options = replace(LINE, samples=600_000, **change)
    embedding = train_with(TorchLine(planted.graph, options, "cpu", threads=1), planted.graph, options)
    precision = precision_of(planted, embedding)
    assert precision >= GOOD if found else precision <= BROKEN


def test_training_adds_to_the_propagated_start(planted: Planted) -> None:
    """The start is only a start: training from it lowers the loss far below the start's own."""

    def last_loss(learning_rate: float) -> float:
        reports: list[TrainingProgress] = []
        options = replace(LINE, start="propagated", learning_rate=learning_rate)
        train_embedding(planted.graph, options, reports.append)
        return float(np.mean([report.loss for report in reports[-10:]]))

    assert last_loss(LINE.learning_rate) < 0.8 * last_loss(0.0)
