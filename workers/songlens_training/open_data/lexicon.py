"""The lexicon: which words of the lyrics the emoji data can show, and how well an emoji shows them.

`lexicon.tsv` documents its format and the choice of words in its head.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from songlens_shared.errors import DataError
from songlens_training.open_data.emoji import Emoji

TAG_RELEVANCE = 0.6
"""Relevance of a keyword that only a tag names, where a label that names it counts 1."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One keyword: the emoji labels and tags that mean it, and the labels of emoji left out."""

    keyword: str
    meaning: str
    names: frozenset[str]
    excluded: frozenset[str]


def read_lexicon() -> list[Entry]:
    """Return the entries of the lexicon that comes with the package. Raises `DataError` for a malformed line."""
    return parse_lexicon(resources.files(__package__).joinpath("lexicon.tsv").read_text(encoding="utf-8"))


def parse_lexicon(text: str) -> list[Entry]:
    """Parse lines of keyword, meaning and names, separated by tabs. Raises `DataError` naming a malformed line."""
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        columns = line.split("\t")
        names = columns[2].split() if len(columns) == 3 else []
        if not names:
            raise DataError(f"Line {number} of the lexicon needs keyword, meaning and names, separated by tabs.")
        excluded = frozenset(name[1:] for name in names if name.startswith("-"))
        entry = Entry(
            keyword=columns[0],
            meaning=columns[1],
            names=frozenset(name for name in names if not name.startswith("-")),
            excluded=excluded,
        )
        entries.append(entry)
    return entries


def relevances(emoji: Iterable[Emoji], lexicon: Iterable[Entry]) -> dict[str, dict[str, float]]:
    """Return {emoji id: {keyword: relevance in (0, 1]}} for the emoji that show at least one keyword.

    A label that names the keyword has relevance 1. A tag has `TAG_RELEVANCE` / (1 + log10 n), n being the number
    of emoji that show the keyword: the more images share a tag, the less it says about each. The logarithm keeps
    the edges of common keywords heavy enough to be sampled in the graph.
    """
    shown = [(one.id, entry.keyword, by_label) for entry in lexicon for one, by_label in _shown_by(entry, emoji)]
    images = Counter(keyword for _, keyword, _ in shown)
    result: dict[str, dict[str, float]] = {}
    for emoji_id, keyword, by_label in shown:
        relevance = 1.0 if by_label else TAG_RELEVANCE / (1 + math.log10(images[keyword]))
        result.setdefault(emoji_id, {})[keyword] = round(relevance, 3)
    return result


def _shown_by(entry: Entry, emoji: Iterable[Emoji]) -> list[tuple[Emoji, bool]]:
    """Return the emoji that show the keyword, and for each whether its label names it."""
    return [
        (one, one.label in entry.names)
        for one in emoji
        if one.label not in entry.excluded and entry.names & {one.label, *one.tags}
    ]


def songs_by_keyword(lexicon: Iterable[Entry], lyrics: Iterable[str]) -> Mapping[str, int]:
    """Count, for each keyword, the lyrics that contain it."""
    keywords = [entry.keyword for entry in lexicon]
    return Counter(keyword for text in lyrics for keyword in keywords if keyword in text)
