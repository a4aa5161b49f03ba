"""Places where words occur, for a person to see what they mean in the lyrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from songlens_training.catalogue.songs import Song
from songlens_training.keywords.table import Example
from songlens_training.keywords.uses import TITLE_LINE, Uses

EXAMPLES = 3


def find_examples(songs: Sequence[Song], uses: Uses, words: Collection[str]) -> dict[str, tuple[Example, ...]]:
    """Return up to `EXAMPLES` places of each of `words`.

    They are spread evenly over the songs that hold the word: common uses show as often as they come, where the songs
    in which it weighs most would all be of one kind.
    """
    positions = uses.by_word()
    return {word: tuple(_example(songs, uses, use) for use in _spread(positions[word].tolist())) for word in words}


def _spread(positions: Sequence[int]) -> list[int]:
    wanted = np.linspace(0, len(positions) - 1, min(EXAMPLES, len(positions))).round().astype(int)
    return [positions[place] for place in wanted]


def _example(songs: Sequence[Song], uses: Uses, use: int) -> Example:
    song, line = songs[uses.song[use]], int(uses.line[use])
    return Example(song=song.id, title=song.title, line=song.title if line == TITLE_LINE else song.lines[line])
