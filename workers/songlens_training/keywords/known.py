"""Keywords of new songs and images, among those that a model version has.

Its keywords stay as they are, and so does what they are worth: relevance counts songs of the base version's catalogue
only, so that new weights can be compared with the old ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.keywords.options import KeywordOptions, folded_options
from songlens_training.keywords.segmentation import segment_songs
from songlens_training.keywords.selection import folded_keywords, known_keywords, song_keywords, vocabulary
from songlens_training.keywords.table import SongKeyword


@dataclass(frozen=True, kw_only=True)
class KnownKeywords:
    """What a model version knows of its keywords."""

    options: KeywordOptions
    image_words: frozenset[str]
    """All words that images bore, keywords or not: where lyrics are cut depends on them."""
    song_counts: Mapping[str, int]
    """df of each keyword: songs of the catalogue that hold it."""
    songs_in_all: int
    """N, the songs of the catalogue, with and without a keyword."""


def known_song_keywords(
    songs: Sequence[Song], known: KnownKeywords, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, tuple[SongKeyword, ...]]:
    """Return the keywords of each song that holds one, by song id, the most relevant first."""
    words = vocabulary(folded_options(known.options), known.image_words)
    uses = segment_songs(songs, words, progress=progress)
    return song_keywords(songs, uses, known.song_counts, known.songs_in_all)


def known_image_keywords(images: Sequence[CatalogueImage], known: KnownKeywords) -> dict[str, dict[str, float]]:
    """Return keyword -> relevance of each image that bears one, by image id."""
    return known_keywords(folded_keywords(images, folding=known.options.folding), known.song_counts)
