"""Keywords: the words that songs and catalogue images share, and how relevant each is to a song.

With images, the candidates are the words that images bear (the method collects images per keyword); without,
the nouns of the dictionary. The `count` candidates that occur in most songs become the keywords.

The relevance of keyword k to song s is TF-IDF:

    weight(s, k) = (1 + ln tf(s, k)) * ln(1 + N / df(k))

where tf counts k in the title and lyrics of s, df(k) songs hold k, and there are N songs. It is always > 0, a
refrain counts less than linearly, and no length normalisation is needed, for LINE looks at each song's weights
relative to one another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from songlens_shared.errors import ConfigError, DataError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.graph.graph import VertexType
from songlens_training.keywords.segmentation import (
    NOUN_TAGS,
    TITLE_LINE,
    Vocabulary,
    WordUse,
    segment_songs,
)


@dataclass(frozen=True, kw_only=True)
class KeywordOptions:
    """Which words become keywords."""

    count: int = 72
    """At most so many are kept; 72 in the paper."""
    min_length: int = 2
    """In characters; words that images bear and allowed words may be shorter (山, 海, 雪)."""
    allow: frozenset[str] = frozenset()
    """Candidates whatever their length and part of speech."""
    deny: frozenset[str] = frozenset()
    """Never keywords, on top of the stop words."""
    min_songs: int = 1
    """A keyword occurs in at least so many songs."""
    max_song_share: float = 1.0
    """A keyword occurs in at most this share of the songs."""
    titles: bool = True
    """Whether words of titles count. The title of a ci or qu names its tune and says nothing of the song."""
    tags: frozenset[str] = NOUN_TAGS
    """jieba's part-of-speech tags of candidates where no images are given."""


@dataclass(frozen=True, kw_only=True)
class Keyword:
    """One keyword of the catalogue."""

    word: str
    songs: int
    """Songs that hold it."""
    occurrences: int
    images: int
    """Images that bear it."""


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
    keywords_without_images: tuple[str, ...]
    """Would have been keywords, but no image bears them."""
    words_without_songs: tuple[str, ...]
    """Words of images that no song holds."""

    def graph_weights(self) -> dict[VertexType, dict[str, dict[str, float]]]:
        """Return what `build_graph` takes."""
        songs = {id: {use.word: use.weight for use in uses} for id, uses in self.songs.items()}
        images = {id: dict(weights) for id, weights in self.images.items()}
        return {VertexType.SONG: songs, VertexType.IMAGE: images}


def find_keywords(
    songs: Sequence[Song],
    images: Sequence[CatalogueImage] | None = None,
    options: KeywordOptions | None = None,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> KeywordTable:
    """Return the keywords of a catalogue.

    Large corpora are segmented by `processes` processes (default: one a core); `progress` is called with
    songs done and songs in all. Raises `ConfigError` for options out of range and `DataError` when no
    keyword is left.
    """
    options = options or KeywordOptions()
    check_options(options)
    borne = None if images is None else Counter(word for image in images for word in image.keywords)
    uses = segment_songs(songs, _vocabulary(borne, options), processes=processes, progress=progress)
    kept, without_images = _select(_count(uses, borne), len(songs), options, pictured=borne is not None)
    if not kept:
        raise DataError(_nothing_left(borne))
    words = {keyword.word: keyword for keyword in kept}
    song_keywords = _song_keywords(songs, uses, words)
    image_keywords = _image_keywords(images or (), words)
    return KeywordTable(
        keywords=kept,
        songs=song_keywords,
        images=image_keywords,
        songs_without_keyword=len(songs) - len(song_keywords),
        images_without_keyword=len(images or ()) - len(image_keywords),
        keywords_without_images=without_images,
        words_without_songs=_unsung(borne or {}, uses),
    )


def check_options(options: KeywordOptions) -> None:
    """Raise `ConfigError` for an option out of range."""
    if options.count < 1:
        raise ConfigError(f"The number of keywords must be at least 1, not {options.count}.")
    if not 0 < options.max_song_share <= 1:
        raise ConfigError(f"max_song_share must be in (0, 1], not {options.max_song_share}.")
    both = sorted(options.allow & options.deny)
    if both:
        raise ConfigError(f"These words are both allowed and denied: {', '.join(both)}.")


def _vocabulary(borne: Mapping[str, int] | None, options: KeywordOptions) -> Vocabulary:
    stop_words = word_list("stop_words.txt") - options.allow - frozenset(borne or ())
    return Vocabulary(
        words=None if borne is None else frozenset(borne),
        allow=options.allow,
        deny=options.deny | stop_words,
        other_meanings=word_list("other_meanings.txt"),
        min_length=options.min_length,
        titles=options.titles,
        tags=options.tags,
    )


def _count(uses: Sequence[Sequence[WordUse]], borne: Mapping[str, int] | None) -> list[Keyword]:
    """Return every candidate with its counts, the one of most songs first; ties by occurrences, then word."""
    songs = Counter(use.word for song in uses for use in song)
    occurrences: Counter[str] = Counter()
    for song in uses:
        for use in song:
            occurrences[use.word] += use.occurrences
    counted = (
        Keyword(word=word, songs=n, occurrences=occurrences[word], images=(borne or {}).get(word, 0))
        for word, n in songs.items()
    )
    return sorted(counted, key=lambda k: (-k.songs, -k.occurrences, k.word))


def _select(
    candidates: Sequence[Keyword], total: int, options: KeywordOptions, *, pictured: bool
) -> tuple[tuple[Keyword, ...], tuple[str, ...]]:
    """Return the keywords kept, and the words that would have been among them had an image borne them."""
    most = options.max_song_share * total
    kept: list[Keyword] = []
    without_images: list[str] = []
    for candidate in candidates:
        if len(kept) == options.count:
            break
        if not options.min_songs <= candidate.songs <= most:
            continue
        if pictured and not candidate.images:
            without_images.append(candidate.word)
        else:
            kept.append(candidate)
    return tuple(kept), tuple(without_images)


def _nothing_left(borne: Mapping[str, int] | None) -> str:
    if borne is None:
        return "No keyword is left: no noun of the lyrics is within the limits on frequency and length."
    some = ", ".join(list(borne)[:5])
    return f"No keyword is left: no song holds a word that images bear (such as {some}) within the limits."


def _song_keywords(
    songs: Sequence[Song], uses: Sequence[Sequence[WordUse]], kept: Mapping[str, Keyword]
) -> dict[str, tuple[SongKeyword, ...]]:
    table: dict[str, tuple[SongKeyword, ...]] = {}
    for song, song_uses in zip(songs, uses, strict=True):
        lines = song.lines
        found = [
            SongKeyword(
                word=use.word,
                weight=relevance(use.occurrences, kept[use.word].songs, len(songs)),
                line=song.title if use.line == TITLE_LINE else lines[use.line],
            )
            for use in song_uses
            if use.word in kept
        ]
        if found:
            table[song.id] = tuple(sorted(found, key=lambda k: (-k.weight, k.word)))
    return table


def relevance(occurrences: int, songs_with_keyword: int, songs: int) -> float:
    """Return the TF-IDF weight of the module's formula."""
    return (1 + math.log(occurrences)) * math.log(1 + songs / songs_with_keyword)


def _image_keywords(images: Iterable[CatalogueImage], kept: Mapping[str, Keyword]) -> dict[str, dict[str, float]]:
    table = {image.id: {word: weight for word, weight in image.keywords.items() if word in kept} for image in images}
    return {id: weights for id, weights in table.items() if weights}


def _unsung(borne: Iterable[str], uses: Sequence[Sequence[WordUse]]) -> tuple[str, ...]:
    sung = {use.word for song in uses for use in song}
    return tuple(sorted(word for word in borne if word not in sung))


@cache
def word_list(name: str) -> frozenset[str]:
    """Return the words of a list of this package: separated by white space, `#` begins a comment."""
    text = (files("songlens_training.keywords") / "wordlists" / name).read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() for word in line.partition("#")[0].split())
