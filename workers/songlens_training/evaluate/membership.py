"""Which songs contain which words. One rule for all that is measured.

A song contains a word when the word is a token of its lyrics, as `keywords/candidates.py` cuts them, or stands
inside a token of up to four characters that does not mean something else: 雪 in 白雪. Unlike a keyword, which a longer
keyword hides, a word is contained whatever other words are asked for. Titles do not count: the paper speaks of lyrics.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from songlens_training.catalogue.songs import Song
from songlens_training.keywords.candidates import Segmenter, Vocabulary
from songlens_training.keywords.segmentation import segment_songs
from songlens_training.keywords.word_files import word_list

SongPositions = NDArray[np.int32]

_NONE: SongPositions = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Membership:
    """The songs that contain each word, as sorted positions: memory grows with what is contained, not songs x words."""

    songs: int
    """S, how many songs there are."""
    positions: Mapping[str, SongPositions]

    def songs_with(self, word: str) -> SongPositions:
        """Return the positions, int32 (N,) rising, of the songs that contain the word."""
        return self.positions.get(word, _NONE)


def find_membership(
    songs: Sequence[Song],
    words: Collection[str],
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Membership:
    """Return which of `songs` contain which of `words`, by one segmentation of the lyrics.

    Lyrics are read in simplified characters; so must the words be.
    """
    vocabulary = Vocabulary(
        listed=frozenset(words), tags=frozenset(), other_meanings=word_list("other_meanings.txt"), titles=False
    )
    uses = segment_songs(songs, vocabulary, processes=processes, progress=progress)
    positions = {word: uses.song[rows] for word, rows in uses.by_word().items()}
    return Membership(len(songs), _with_compounds(positions, Segmenter(vocabulary, vocabulary.dictionary())))


def _with_compounds(positions: Mapping[str, SongPositions], segmenter: Segmenter) -> dict[str, SongPositions]:
    """Add to each word the songs of the words in which it stands; the segmenter stops at the longest."""
    gathered = {word: [rows] for word, rows in positions.items()}
    for word, rows in positions.items():
        for part in segmenter.parts(word):
            gathered.setdefault(part, []).append(rows)
    return {word: np.unique(np.concatenate(parts)) if len(parts) > 1 else parts[0] for word, parts in gathered.items()}
