"""Keywords: the words that songs and catalogue images share.

With images, the words that images bear can become keywords (the method collects images per keyword); without, the
nouns of the dictionary. The `count` candidates that occur in most songs become the keywords.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from songlens_shared.errors import DataError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.keywords.candidates import Vocabulary
from songlens_training.keywords.examples import find_examples
from songlens_training.keywords.folding import fold
from songlens_training.keywords.options import KeywordOptions, check_options, folded_options
from songlens_training.keywords.segmentation import segment_songs
from songlens_training.keywords.table import Keyword, KeywordTable, Miss, NearMiss, SongKeyword, relevance
from songlens_training.keywords.uses import TITLE_LINE, Uses
from songlens_training.keywords.word_files import word_list

NEAR_MISSES = 20
"""Shown for each reason."""

Weights = Mapping[str, float]


def find_keywords(
    songs: Sequence[Song],
    images: Sequence[CatalogueImage] | None = None,
    options: KeywordOptions | None = None,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> KeywordTable:
    """Return the keywords of a catalogue.

    Large corpora are segmented by `processes` processes (default: one for each processor); `progress` is called with
    songs done and songs in all. Raises `ConfigError` for options out of range and `DataError` when no keyword is left.
    """
    options = folded_options(options or KeywordOptions())
    check_options(options)
    borne = None if images is None else folded_keywords(images, folding=options.folding)
    bearers = None if borne is None else Counter(word for weights in borne.values() for word in weights)
    uses = segment_songs(songs, vocabulary(options, bearers or {}), processes=processes, progress=progress)
    kept, misses = _select(_count(uses, bearers or {}), len(songs), options, pictured=bearers is not None)
    if not kept:
        raise DataError(_nothing_left(bearers))
    examples = find_examples(songs, uses, {keyword.word for keyword in (*kept, *(miss.keyword for miss in misses))})
    songs_with = {keyword.word: keyword.songs for keyword in kept}
    of_songs = song_keywords(songs, uses, songs_with, len(songs))
    of_images = known_keywords(borne or {}, songs_with)
    return KeywordTable(
        keywords=tuple(replace(keyword, examples=examples[keyword.word]) for keyword in kept),
        songs=of_songs,
        images=of_images,
        songs_without_keyword=len(songs) - len(of_songs),
        images_without_keyword=len(images or ()) - len(of_images),
        near_misses=tuple(
            NearMiss(replace(keyword, examples=examples[keyword.word]), reason) for keyword, reason in misses
        ),
        words_without_songs=tuple(sorted({*(bearers or ()), *options.allow} - set(uses.words))),
        image_words=frozenset(bearers or ()),
    )


def vocabulary(options: KeywordOptions, borne: Collection[str]) -> Vocabulary:
    """Return the candidates that folded options and the words `borne` by images make."""
    stop_words = word_list("stop_words.txt") - options.allow - set(borne)
    deny = options.deny | stop_words
    return Vocabulary(
        listed=(frozenset(borne) | options.allow) - deny,
        deny=deny,
        other_meanings=word_list("other_meanings.txt"),
        min_length=options.min_length,
        tags=options.tags,
        titles=options.titles,
        folding=options.folding,
        user_words=options.user_words,
    )


def folded_keywords(images: Iterable[CatalogueImage], *, folding: bool) -> dict[str, Weights]:
    """Return the keywords of images by image id, in simplified characters where texts are folded too.

    Of two keywords of an image that become one, the heavier counts.
    """
    if not folding:
        return {image.id: image.keywords for image in images}
    return {image.id: _folded(image.keywords) for image in images}


def _folded(weights: Weights) -> Weights:
    folded: dict[str, float] = {}
    for word, weight in weights.items():
        simplified = fold(word)
        folded[simplified] = max(weight, folded.get(simplified, 0.0))
    return folded


def _count(uses: Uses, borne: Mapping[str, int]) -> list[Keyword]:
    """Return every candidate with its counts, the one of most songs first; ties by occurrences, then word."""
    songs = np.bincount(uses.word, minlength=len(uses.words))
    occurrences = np.bincount(uses.word, weights=uses.occurrences, minlength=len(uses.words))
    counted = (
        Keyword(word=word, songs=in_songs, occurrences=int(in_all), images=borne.get(word, 0))
        for word, in_songs, in_all in zip(uses.words, songs.tolist(), occurrences.tolist(), strict=True)
    )
    return sorted(counted, key=lambda k: (-k.songs, -k.occurrences, k.word))


def _select(
    candidates: Sequence[Keyword], total: int, options: KeywordOptions, *, pictured: bool
) -> tuple[list[Keyword], list[NearMiss]]:
    """Return the keywords kept, and the near misses by reason; `candidates` come the best first."""
    kept: list[Keyword] = []
    missed: dict[Miss, list[Keyword]] = {reason: [] for reason in Miss}
    within_limits = 0
    for candidate in candidates:
        reason = _beyond_limits(candidate, total, options)
        within_limits += reason is None
        if pictured and not candidate.images:
            if reason is None and within_limits <= options.count:
                missed[Miss.NO_IMAGE].append(candidate)
        elif reason is not None:
            missed[reason].append(candidate)
        elif len(kept) < options.count:
            kept.append(candidate)
        else:
            missed[Miss.BELOW_CUT].append(candidate)
    shown = {reason: words if reason is Miss.NO_IMAGE else words[:NEAR_MISSES] for reason, words in missed.items()}
    return kept, [NearMiss(word, reason) for reason, words in shown.items() for word in words]


def _beyond_limits(candidate: Keyword, total: int, options: KeywordOptions) -> Miss | None:
    if candidate.songs < options.min_songs:
        return Miss.TOO_FEW_SONGS
    if candidate.songs > options.max_song_share * total:
        return Miss.TOO_MANY_SONGS
    if candidate.occurrences < options.min_occurrences:
        return Miss.TOO_FEW_OCCURRENCES
    return None


def _nothing_left(borne: Mapping[str, int] | None) -> str:
    if borne is None:
        return "No keyword is left: no noun of the lyrics is within the limits on frequency and length."
    some = ", ".join(list(borne)[:5])
    return f"No keyword is left: no song holds a word that images bear (such as {some}) within the limits."


def song_keywords(
    songs: Sequence[Song], uses: Uses, songs_with: Mapping[str, int], songs_in_all: int
) -> dict[str, tuple[SongKeyword, ...]]:
    """Return the keywords of each song that has any, by song id and by weight, falling.

    `uses` are those of `songs`. The keywords are the keys of `songs_with`, which tells in how many of `songs_in_all`
    songs each occurs: the catalogue's, whether `songs` are all of it or are to be added to it.
    """
    chosen = np.array([word in songs_with for word in uses.words], dtype=bool)[uses.word]  # (U,)
    columns = (uses.song, uses.word, uses.occurrences, uses.line)
    found: dict[int, list[SongKeyword]] = {}
    for position, number, occurrences, line in zip(*(column[chosen].tolist() for column in columns), strict=True):
        song, word = songs[position], uses.words[number]
        weight = relevance(occurrences, songs_with[word], songs_in_all)
        shown = song.title if line == TITLE_LINE else song.lines[line]
        found.setdefault(position, []).append(SongKeyword(word=word, weight=weight, line=shown))
    return {
        songs[position].id: tuple(sorted(uses, key=lambda k: (-k.weight, k.word))) for position, uses in found.items()
    }


def known_keywords(borne: Mapping[str, Weights], kept: Container[str]) -> dict[str, dict[str, float]]:
    """Return what is left of each image's keywords, `borne`, when only those in `kept` count; none without any."""
    table = {id: {word: weight for word, weight in weights.items() if word in kept} for id, weights in borne.items()}
    return {id: weights for id, weights in table.items() if weights}
