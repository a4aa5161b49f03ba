"""The contract of every source of similar words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

Fold = Callable[[str], str]
"""Brings a word to the script of the lyrics: traditional characters to simplified ones."""


class SimilarWords(Protocol):
    """Knows which words are similar to a word."""

    @property
    def name(self) -> str:
        """What the source is called in results."""

    def similar(self, words: Collection[str], limit: int) -> Mapping[str, tuple[str, ...]]:
        """Return, for each word that the source knows, its `limit` most similar words, the most similar first.

        A word that the source does not know is left out of the mapping. No word is listed twice, nor beside itself. The
        same input gives the same output, and a lower limit gives a beginning of the same list. Raises `DataError` when
        the source's file cannot be read.
        """


def unfolded(word: str) -> str:
    """Return the word as it is: for sources in the script of the lyrics."""
    return word
