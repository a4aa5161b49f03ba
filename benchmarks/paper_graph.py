"""A graph of the paper's size, whose truth is known: which songs and images bear which keyword.

72 keywords; 62,316 songs with 1 to 6 of them, by Zipf's law, at weights even in 0.1 to 5; 33,459 images with one
keyword, or in 4 % of cases two, at weight 1, by a popularity of their own (Dirichlet, 5) that is not the songs'. About
253,700 edges, in random order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from songlens_training.graph.graph import Graph, Vertex, VertexType

KEYWORDS, SONGS, IMAGES = 72, 62_316, 33_459
MOST_KEYWORDS_OF_A_SONG = 6
IMAGES_WITH_TWO = 0.04


@dataclass(frozen=True)
class PaperGraph:
    """The graph; vertices are keywords, then songs, then images."""

    graph: Graph
    songs: NDArray[np.bool_]
    """(S, K) whether a song bears a keyword."""
    images: NDArray[np.bool_]
    """(I, K)"""


def paper_graph(seed: int = 7) -> PaperGraph:
    """Return the graph of a seed."""
    random = np.random.default_rng(seed)
    zipf = random.permutation(1 / np.arange(1.0, KEYWORDS + 1))
    songs = _drawn(random.integers(1, MOST_KEYWORDS_OF_A_SONG + 1, SONGS), zipf, random)
    counts = np.where(random.random(IMAGES) < IMAGES_WITH_TWO, 2, 1)
    images = _drawn(counts, random.dirichlet(np.full(KEYWORDS, 5.0)), random)
    rows, keywords = np.nonzero(np.concatenate([songs, images]))
    weights = np.where(rows < SONGS, np.round(random.uniform(0.1, 5, len(rows)), 4), 1.0)
    order = random.permutation(len(rows))
    vertices = [
        *(Vertex(VertexType.KEYWORD, f"k{keyword}") for keyword in range(KEYWORDS)),
        *(Vertex(VertexType.SONG, f"s{song}") for song in range(SONGS)),
        *(Vertex(VertexType.IMAGE, f"i{image}") for image in range(IMAGES)),
    ]
    graph = Graph(
        vertices=vertices,
        sources=keywords[order].astype(np.int32),
        targets=(KEYWORDS + rows[order]).astype(np.int32),
        weights=weights[order].astype(np.float32),
    )
    return PaperGraph(graph, songs, images)


def _drawn(
    counts: NDArray[np.int64], popularity: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return (N, K) `counts` keywords of each row, drawn by popularity without putting back.

    The largest of log popularity plus Gumbel noise are such a draw (Vieira, 2014).
    """
    keys = np.log(popularity) + random.gumbel(size=(len(counts), len(popularity)))
    ranks = (-keys).argsort(axis=1).argsort(axis=1)
    chosen: NDArray[np.bool_] = ranks < counts[:, None]
    return chosen


def write_foreign(graph: Graph, path: Path) -> None:
    """Write the edge list that LINE and SMORe read, each edge once, under the vertices' keys."""
    names = [vertex.key for vertex in graph.vertices]
    ends = zip(graph.sources.tolist(), graph.targets.tolist(), graph.weights.tolist(), strict=True)
    path.write_text("".join(f"{names[a]} {names[b]} {weight:.9g}\n" for a, b, weight in ends), "utf-8")


def write_both_directions(graph: Graph, path: Path) -> None:
    """Write each edge in both directions, which is what LINE wants of an undirected graph."""
    both = Graph(
        vertices=graph.vertices,
        sources=np.concatenate([graph.sources, graph.targets]),
        targets=np.concatenate([graph.targets, graph.sources]),
        weights=np.concatenate([graph.weights, graph.weights]),
    )
    write_foreign(both, path)
