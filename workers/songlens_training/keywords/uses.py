"""Which song holds which candidate words, in columns: small in memory, quick between processes and quick to count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TITLE_LINE = -1

Column = NDArray[np.int32]


class WordUse(NamedTuple):
    """A candidate word in one song."""

    word: str
    occurrences: int
    """In title and lyrics."""
    line: int
    """Index of the first of `Song.lines` that holds it, or `TITLE_LINE`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Uses:
    """The U uses of W words in S songs, in the order of songs; within a song in order of appearance, the title last."""

    words: Sequence[str]
    """(W,), each once."""
    word: Column
    """(U,) int32, positions in `words`."""
    occurrences: Column
    """(U,) int32, in title and lyrics."""
    line: Column
    """(U,) int32, index of the first line that holds the word, or `TITLE_LINE`."""
    counts: Column
    """(S,) int32, how many uses each song has."""

    @classmethod
    def of(cls, songs: Iterable[Sequence[WordUse]]) -> Uses:
        """Return the uses of songs in columns."""
        numbers: dict[str, int] = {}
        counts: list[int] = []
        columns: list[tuple[int, int, int]] = []
        for uses in songs:
            columns += [(numbers.setdefault(word, len(numbers)), count, line) for word, count, line in uses]
            counts.append(len(uses))
        table = np.array(columns, dtype=np.int32).reshape(-1, 3)  # (U, 3)
        word, occurrences, line = np.ascontiguousarray(table.T)
        return cls(
            words=tuple(numbers),
            word=word,
            occurrences=occurrences,
            line=line,
            counts=np.array(counts, dtype=np.int32),
        )

    @classmethod
    def joined(cls, parts: Sequence[Uses]) -> Uses:
        """Return the uses of all songs of all parts, in their order."""
        numbers: dict[str, int] = {}
        renumbered = []
        for part in parts:
            places = np.array([numbers.setdefault(word, len(numbers)) for word in part.words], dtype=np.int32)
            renumbered.append(places[part.word])
        return cls(
            words=tuple(numbers),
            word=_concatenated(renumbered),
            occurrences=_concatenated([part.occurrences for part in parts]),
            line=_concatenated([part.line for part in parts]),
            counts=_concatenated([part.counts for part in parts]),
        )

    @property
    def songs(self) -> int:
        """How many songs there are, with and without uses."""
        return len(self.counts)

    @cached_property
    def song(self) -> Column:
        """The position of each use's song: (U,) int32."""
        return np.repeat(np.arange(self.songs, dtype=np.int32), self.counts)

    def by_word(self) -> dict[str, NDArray[np.intp]]:
        """Return the positions of each word's uses, in the order of songs: word -> (N,) intp."""
        order = np.argsort(self.word, kind="stable")
        ends = np.cumsum(np.bincount(self.word, minlength=len(self.words)))
        return dict(zip(self.words, np.split(order, ends[:-1]), strict=True)) if self.words else {}


def _concatenated(columns: Sequence[Column]) -> Column:
    return np.concatenate(columns) if columns else np.empty(0, dtype=np.int32)
