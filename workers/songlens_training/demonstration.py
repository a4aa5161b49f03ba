"""The demo without its screen: which backbone, which photos, how good the answers are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from songlens.recommendation import Recommendation
from songlens_shared.errors import WeightsDamaged, WeightsUnavailable
from songlens_training.keywords.options import KeywordOptions
from songlens_training.progress import Progress
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.registry import load_backbone

OPEN_KEYWORDS = KeywordOptions(count=250, titles=False)
"""Nearly all of the open catalogue's keywords, which are many and short; its titles only name tunes."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A photo that the demo sends; it is not in the catalogue."""

    path: Path
    title: str
    keyword: str | None
    """What is to be seen, where a catalogue keyword says it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A photo and the songs it got."""

    query: Query
    recommendation: Recommendation


def read_queries(folder: Path) -> list[Query]:
    """Return the photos of a catalogue folder's queries.jsonl."""
    rows = map(json.loads, (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    return [Query(path=folder / row["path"], title=row["title"], keyword=row.get("keyword")) for row in rows]


def spread(queries: Sequence[Query], count: int) -> list[Query]:
    """Return `count` queries, evenly from all of them."""
    if count <= 0 or count >= len(queries):
        return list(queries)
    return [queries[position * len(queries) // count] for position in range(count)]


def pretrained_backbone(weights: Path | None, progress: Progress) -> tuple[Backbone, str | None]:
    """Return VGG-19, or EfficientNet-Lite2 and the reason where VGG-19's weights cannot be reached."""

    def downloading(done: int, total: int) -> None:
        progress("Downloading VGG-19 weights", done, total)

    progress("Loading the backbone", 0, 1)
    try:
        backbone, why_not_vgg19 = load_backbone("vgg19", weights=weights, progress=downloading), None
    except (WeightsUnavailable, WeightsDamaged) as error:
        if weights is not None:
            raise
        backbone, why_not_vgg19 = load_backbone("efficientnet_lite2"), error.message
    progress("Loading the backbone", 1, 1)
    return backbone, why_not_vgg19


def lyrics_by_song(folder: Path) -> dict[str, str]:
    """Return the lyrics of every song of a catalogue folder."""
    with (folder / "songs.jsonl").open(encoding="utf-8") as lines:
        return {row["id"]: row["lyrics"] for row in map(json.loads, lines)}


def theme_share(answers: Iterable[Answer], lyrics: Mapping[str, str]) -> tuple[int, int]:
    """Return how many songs hold their photo's keyword in their lyrics, and how many there are.

    Photos without a keyword do not count.
    """
    held = [
        answer.query.keyword in lyrics[song.id]
        for answer in answers
        if answer.query.keyword is not None
        for song in answer.recommendation.songs
    ]
    return sum(held), len(held)
