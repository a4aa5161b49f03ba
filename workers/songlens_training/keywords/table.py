"""The keywords of a catalogue, what ties songs and images to them, and how much.

The relevance of keyword k to song s is TF-IDF:

    weight(s, k) = (1 + ln tf(s, k)) * idf(k),   idf(k) = ln(1 + N / df(k))

where tf counts k in the title and lyrics of s, df(k) songs hold k, and there are N songs. It is always > 0, a
refrain counts less than linearly, and no length normalisation is needed, for LINE looks at each song's weights
relative to one another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from songlens_training.graph.graph import VertexType


class Example(NamedTuple):
    """A place where a word occurs."""

    song: str
    """Id of the song."""
    title: str
    line: str
    """The first lyric line that holds the word, or the title when no line does; as the author wrote it."""


@dataclass(frozen=True, kw_only=True)
class Keyword:
    """One keyword of the catalogue, or a word that nearly became one."""

    word: str
    songs: int
    """Songs that hold it."""
    occurrences: int
    images: int
    """Images that bear it."""
    examples: tuple[Example, ...] = ()
    """Of songs spread evenly over the catalogue."""


class Miss(StrEnum):
    """Why a candidate is no keyword."""

    NO_IMAGE = "no image bears it"
    BELOW_CUT = "below the cut"
    TOO_FEW_SONGS = "in too few songs"
    TOO_MANY_SONGS = "in too many songs"
    TOO_FEW_OCCURRENCES = "occurs too seldom"


class NearMiss(NamedTuple):
    """A candidate that nearly became a keyword."""

    keyword: Keyword
    reason: Miss


@dataclass(frozen=True, slots=True, kw_only=True)
class SongKeyword:
    """A keyword as it occurs in one song."""

    word: str
    weight: float
    """TF-IDF relevance, > 0."""
    line: str
    """The first lyric line that holds it, or the title when no line does."""


@dataclass(frozen=True, kw_only=True)
class KeywordTable:
    """The keywords, and what ties songs and images to them. Keys are song ids and image ids."""

    keywords: tuple[Keyword, ...]
    """By number of songs, falling."""
    songs: Mapping[str, tuple[SongKeyword, ...]]
    """Songs with at least one keyword; their keywords by weight, falling."""
    images: Mapping[str, Mapping[str, float]]
    """Images with at least one keyword: keyword -> relevance."""
    songs_without_keyword: int
    images_without_keyword: int
    near_misses: tuple[NearMiss, ...] = ()
    """For each reason the commonest words; for `Miss.NO_IMAGE` all that an image would have made keywords."""
    words_without_songs: tuple[str, ...] = ()
    """Words of images, and allowed ones, that no song holds."""
    image_words: frozenset[str] = frozenset()
    """All words that images bear, as folded: lyrics are cut with them in mind."""

    @property
    def songs_in_all(self) -> int:
        """N of the formula."""
        return len(self.songs) + self.songs_without_keyword

    @property
    def keywords_without_images(self) -> tuple[str, ...]:
        """Would have been keywords, but no image bears them."""
        return tuple(miss.keyword.word for miss in self.near_misses if miss.reason is Miss.NO_IMAGE)

    def graph_weights(self) -> dict[VertexType, dict[str, dict[str, float]]]:
        """Return what `build_graph` takes."""
        songs = {id: {use.word: use.weight for use in uses} for id, uses in self.songs.items()}
        images = {id: dict(weights) for id, weights in self.images.items()}
        return {VertexType.SONG: songs, VertexType.IMAGE: images}


def relevance(occurrences: int, songs_with_keyword: int, songs: int) -> float:
    """Return the TF-IDF weight of the module's formula."""
    return (1 + math.log(occurrences)) * inverse_document_frequency(songs_with_keyword, songs)


def inverse_document_frequency(songs_with_keyword: int, songs: int) -> float:
    """Return idf of the module's formula."""
    return math.log(1 + songs / songs_with_keyword)
