"""Keywords: the words that songs and catalogue images share, and how relevant each is to a song.

With images, the candidates are the words that images bear (the method collects images per keyword); without,
the nouns of the dictionary. The `count` candidates that occur in most songs become the keywords.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from songlens_shared.errors import DataError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.keywords.options import KeywordOptions, check_options
from songlens_training.keywords.segmentation import TITLE_LINE, Vocabulary, WordUse, segment_songs
from songlens_training.keywords.table import Keyword, KeywordTable, SongKeyword, relevance


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
