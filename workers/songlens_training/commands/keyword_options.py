"""The keyword options of the command line as `KeywordOptions`; word files are read here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from songlens_training.keywords.options import NOUN_TAGS, KeywordOptions, check_options
from songlens_training.keywords.word_files import read_user_dictionary, read_word_list


def keyword_options(
    *,
    count: int = 72,
    titles: bool = True,
    folding: bool = True,
    dictionaries: Sequence[Path] | None = None,
    tags: Sequence[str] | None = None,
    allow: Sequence[str] | None = None,
    allow_files: Sequence[Path] | None = None,
    deny: Sequence[str] | None = None,
    deny_files: Sequence[Path] | None = None,
    min_length: int = 2,
    min_songs: int = 1,
    max_song_share: float = 1.0,
    min_occurrences: int = 1,
) -> KeywordOptions:
    """Return the options that these values of the command line make; typer gives None for a list that is not given.

    Raises `DataError` that names the file and line of a word that cannot be read, and `ConfigError` for options out of
    range.
    """
    options = KeywordOptions(
        count=count,
        titles=titles,
        folding=folding,
        user_words=tuple(word for path in dictionaries or () for word in read_user_dictionary(path)),
        tags=frozenset(tags) if tags else NOUN_TAGS,
        allow=_words(allow, allow_files),
        deny=_words(deny, deny_files),
        min_length=min_length,
        min_songs=min_songs,
        max_song_share=max_song_share,
        min_occurrences=min_occurrences,
    )
    check_options(options)
    return options


def _words(words: Sequence[str] | None, files: Sequence[Path] | None) -> frozenset[str]:
    return frozenset(words or ()).union(*map(read_word_list, files or ()))
