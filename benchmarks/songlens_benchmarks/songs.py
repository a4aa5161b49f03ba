"""The song stage at the paper's size: requests ranked a second, from NE vectors and song cards that are held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from songlens_benchmarks.limits import read_bytes_per_s
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.turns import in_turns, rate
from songlens_workers.songs.ranker import SongRanker, pick

SONGS, KEYWORDS, DIMENSIONS = 62_316, 72, 128
IMAGES_K, TOP_K, SONGS_PER_IMAGE = 5, 10, 2
BATCHES = (1, 8, 32)
_SPREAD = 0.2
_GEMM_SIZE = 2048

Vectors = NDArray[np.float32]


def run(effort: Effort) -> Iterator[Row]:
    """Yield the rows."""
    generator = np.random.default_rng(1)
    keywords = generator.standard_normal((KEYWORDS, DIMENSIONS))
    songs = _near(keywords, SONGS // 8 if effort.quick else SONGS, generator)
    images = _near(keywords, max(BATCHES) * IMAGES_K, generator)
    ranker = SongRanker(songs)
    bandwidth, flops = read_bytes_per_s(), _double_flops()
    for batch in BATCHES:
        asked = images[: batch * IMAGES_K]
        found = in_turns(
            {
                "ours": lambda asked=asked, batch=batch: rate(lambda: _stage(ranker, asked), batch, least_s=0.5),  # type: ignore[misc]
                "plain": lambda asked=asked, batch=batch: rate(lambda: _plain(songs, asked), batch, least_s=0.5),  # type: ignore[misc]
            },
            effort.rounds,
        )
        reading_s = songs.size * 8 / bandwidth
        computing_s = 2 * songs.size * len(asked) / flops
        name = "memory bandwidth" if reading_s > computing_s else "float64 GEMM rate"
        yield Row(
            what=f"songs for {IMAGES_K} images a request, batch {batch}",
            value=found["ours"],
            unit="requests/s",
            baseline=Reference("float32 distances, all sorted in part", found["plain"]),
            limit=Reference(name, batch / max(reading_s, computing_s)),
            target=Target(of="baseline", at_least=1.0),
        )


def _near(keywords: NDArray[np.float64], count: int, generator: np.random.Generator) -> Vectors:
    """Return NE vectors of length 1, each near one of the keywords."""
    chosen = keywords[generator.integers(0, len(keywords), count)]
    vectors = chosen + _SPREAD * generator.standard_normal(chosen.shape)
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def _stage(ranker: SongRanker, images: Vectors) -> None:
    distances, positions = ranker.nearest(images, TOP_K)
    for start in range(0, len(images), IMAGES_K):
        rows = slice(start, start + IMAGES_K)
        pick(distances[rows], positions[rows], top_k=TOP_K, songs_per_image=SONGS_PER_IMAGE)


def _plain(songs: Vectors, images: Vectors) -> None:
    """As one would write it: fast, and wrong by the rounding of float32 among songs that lie close together."""
    for start in range(0, len(images), IMAGES_K):
        asked = images[start : start + IMAGES_K]
        squares = (songs**2).sum(axis=1) - 2 * asked @ songs.T
        np.argpartition(squares, TOP_K, axis=1)[:, :TOP_K]


def _double_flops() -> float:
    """Return the operations a second of a square product in float64, which ranking needs."""
    left = np.random.default_rng(1).standard_normal((_GEMM_SIZE, _GEMM_SIZE))
    return rate(lambda: left @ left, 2 * _GEMM_SIZE**3)
