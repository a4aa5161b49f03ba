"""Listening behaviour: what strength of its edges and weight of the user find a planted taste and keep the photo's own.

    python benchmarks/listening.py [--listeners 600 2000 6000 20000] [--threads 2]

The world is the one of tests/planted_listening.py, larger. Nothing is timed. Taste is measured among songs that the
listener has not played.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from songlens_benchmarks import record

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from planted_listening import NIGHT, Recommender, World, learned, nearest_songs, photo, taste_of_new_songs

from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import VertexType
from songlens_training.graph.listening_options import ListeningOptions, Weighting
from songlens_workers.songs.ranker import SongRanker

THEMES, CIRCLES = 36, 30
STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
ROWS = (3, 5, 10, 20, 40)
OF_THEMES, OF_CIRCLES = range(0, 400, 2), range(1, 400, 2)


class Study:
    """A world and its log, and what is measured of an embedding of them."""

    def __init__(self, listeners: int, threads: int, rows: Sequence[int] = ROWS) -> None:
        self.world = World.make(songs=6000, themes=THEMES, circles=CIRCLES, images=24)
        self.listeners = self.world.listeners(listeners)
        self.plays = self.world.plays(self.listeners, rows)
        self.embedding = EmbeddingOptions(threads=threads)

    def learned(self, options: ListeningOptions) -> Embedding:
        return learned(self.world, self.plays, options, self.embedding)

    def taste(self, songs: dict[int, list[int]]) -> float:
        return taste_of_new_songs(self.world, self.listeners, self.plays, songs)

    def precision(self, embedding: Embedding) -> float:
        """Return precision@10 of the images with a theme: the share of the songs near them that has it."""
        song_ids, songs = embedding.of_type(VertexType.SONG)
        image_ids, images = embedding.of_type(VertexType.IMAGE)
        themed = [row for row, image in enumerate(image_ids) if not image.startswith(NIGHT)]
        _, nearest = SongRanker(songs).nearest(images[themed], 10)
        themes = [int(image_ids[row].split("/")[0]) for row in themed]
        found = np.array(song_ids, np.int64)[nearest]
        return float(np.mean([self.world.themes[row, theme] for row, theme in zip(found, themes, strict=True)]))

    def near(self, embedding: Embedding) -> dict[str, float]:
        """Return precision@10, and of what taste the songs nearest to users are."""
        theme, circle = (self.taste(nearest_songs(embedding, users, 100)) for users in (OF_THEMES, OF_CIRCLES))
        return {"precision_at_10": self.precision(embedding), "theme": theme, "circle": circle}

    def replies(self, embedding: Embedding, weight: float) -> dict[str, float]:
        """Return what replies hold, to a neutral photo and to one of a theme that is not the listener's own."""
        recommender = Recommender(embedding)
        others = {user: (user // 2 + 7) % THEMES for user in OF_THEMES}
        themed = recommender.songs([photo(theme, user, weight) for user, theme in others.items()])
        held = [self.world.themes[row, theme] for row, theme in zip(themed, others.values(), strict=True)]
        neutral = recommender.songs([photo(NIGHT, user, weight) for user in OF_THEMES])
        return {
            "photo_theme": float(np.mean(held)),
            "photo_neutral": float(self.world.night[neutral].mean()),
            "taste_neutral": self.taste(dict(zip(OF_THEMES, neutral.tolist(), strict=True))),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, nargs="+", default=[600, 2000, 6000, 20_000])
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    for listeners in given.listeners:
        study = Study(listeners, given.threads)
        for strength in STRENGTHS:
            embedding = study.learned(ListeningOptions(strength=strength))
            report({"listeners": listeners, "strength": strength}, study.near(embedding))
            for weight in WEIGHTS:
                report(
                    {"listeners": listeners, "strength": strength, "weight": weight}, study.replies(embedding, weight)
                )
        for weighting in Weighting:
            found = study.near(study.learned(ListeningOptions(weighting=weighting)))
            report({"listeners": listeners, "weighting": weighting.value}, found)
        for rows in (1, 2, *ROWS):
            alike = Study(listeners, given.threads, rows=[rows])
            found = alike.near(alike.learned(ListeningOptions(min_songs=1)))
            report({"listeners": listeners, "rows": rows}, found)


def report(case: dict[str, float | str], figures: dict[str, float]) -> None:
    """Print and record one case."""
    rounded = {name: round(figure, 3) for name, figure in figures.items()}
    print("  ".join(f"{name} {value:<5}" for name, value in (case | rounded).items()), flush=True)
    record.write("listening", {**case, **rounded})


if __name__ == "__main__":
    main()
