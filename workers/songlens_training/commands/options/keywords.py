"""What becomes a keyword; word files are read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from songlens_training.keywords.options import NOUN_TAGS, KeywordOptions, check_options
from songlens_training.keywords.word_files import read_user_dictionary, read_word_list

_option = partial(typer.Option, rich_help_panel="Keywords")


@dataclass(frozen=True, kw_only=True)
class KeywordFlags:
    """The keyword options of the command line; typer gives None for a list that is not given."""

    keywords: Annotated[int, _option(help="Keywords to keep at most.", min=1)] = 72
    titles: Annotated[bool, _option(help="Count the words of titles too.")] = True
    folding: Annotated[bool, _option(help="Read traditional characters as simplified ones.")] = True
    dictionary: Annotated[list[Path] | None, _option(help="Words of your own, in jieba's format; repeatable.")] = None
    tag: Annotated[
        list[str] | None, _option(help="Part of speech of words that no image bears; repeatable; nouns.")
    ] = None
    allow: Annotated[
        list[str] | None,
        _option(help="Word that may be a keyword whatever its length and part of speech; repeatable."),
    ] = None
    allow_file: Annotated[list[Path] | None, _option(help="File of such words, one a line; repeatable.")] = None
    deny: Annotated[list[str] | None, _option(help="Word that must not be a keyword; repeatable.")] = None
    deny_file: Annotated[list[Path] | None, _option(help="File of such words, one a line; repeatable.")] = None
    min_length: Annotated[int, _option(help="Characters of a keyword that is not allowed by name.", min=1)] = 2
    min_songs: Annotated[int, _option(help="Songs that must hold a keyword.", min=1)] = 1
    max_song_share: Annotated[float, _option(help="Share of the songs that may hold a keyword.", max=1.0)] = 1.0
    min_occurrences: Annotated[int, _option(help="Times that a keyword must occur in all songs together.", min=1)] = 1

    def options(self) -> KeywordOptions:
        """Return the options that these values make.

        Raises `DataError` that names the file and line of a word that cannot be read, and `ConfigError` for options out
        of range.
        """
        options = KeywordOptions(
            count=self.keywords,
            titles=self.titles,
            folding=self.folding,
            user_words=tuple(word for path in self.dictionary or () for word in read_user_dictionary(path)),
            tags=frozenset(self.tag) if self.tag else NOUN_TAGS,
            allow=_words(self.allow, self.allow_file),
            deny=_words(self.deny, self.deny_file),
            min_length=self.min_length,
            min_songs=self.min_songs,
            max_song_share=self.max_song_share,
            min_occurrences=self.min_occurrences,
        )
        check_options(options)
        return options


def _words(words: Sequence[str] | None, files: Sequence[Path] | None) -> frozenset[str]:
    return frozenset(words or ()).union(*map(read_word_list, files or ()))
