"""Places where words occur, for a person to see what they mean in the lyrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

import numpy as np

from songlens_training.catalogue.songs import Song
from songlens_training.keywords.table import Example
from songlens_training.keywords.uses import TITLE_LINE, Uses

EXAMPLES = 3
_LOOKED_AT = 4 * EXAMPLES
"""Places of a word that are looked at for different lines."""

Item = TypeVar("Item")


def find_examples(songs: Sequence[Song], uses: Uses, words: Collection[str]) -> dict[str, tuple[Example, ...]]:
    """Return up to `EXAMPLES` places of each of `words`, no line twice.

    They are spread evenly over the songs that hold the word: common uses show as often as they come, where the songs
    in which it weighs most would all be of one kind.
    """
    positions = uses.by_word()
    found: dict[str, tuple[Example, ...]] = {}
    for word in words:
        different: dict[str, Example] = {}
        for use in _spread(positions[word].tolist(), _LOOKED_AT):
            example = _example(songs, uses, use)
            different.setdefault(example.line, example)
        found[word] = tuple(_spread(list(different.values()), EXAMPLES))
    return found


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return up to `most` items at even distances, the first and the last among them."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places.tolist()]


def _example(songs: Sequence[Song], uses: Uses, use: int) -> Example:
    song, line = songs[uses.song[use]], int(uses.line[use])
    return Example(song=song.id, title=song.title, line=song.title if line == TITLE_LINE else song.lines[line])
