"""Which words become keywords: the options, and whether they agree with one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from songlens_shared.errors import ConfigError
from songlens_training.keywords.dictionary import UserWord
from songlens_training.keywords.folding import fold, fold_words

NOUN_TAGS = frozenset({"n", "ns", "nz", "ng", "s", "an", "vn"})
"""Things and places, a quality or a deed as a thing. Names of people and bodies (nr, nrt, nt) are no keywords."""


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
    min_occurrences: int = 1
    """A keyword occurs at least so often in all songs together."""
    titles: bool = True
    """Whether words of titles count. The title of a ci or qu names its tune and says nothing of the song."""
    tags: frozenset[str] = NOUN_TAGS
    """jieba's part-of-speech tags of candidates that are neither allowed nor borne by an image."""
    folding: bool = True
    """Whether traditional characters are read as simplified ones; what is shown of a song stays as it was written."""
    user_words: tuple[UserWord, ...] = ()
    """Words on top of jieba's dictionary; of two entries for one word, the later one holds."""

    def as_config(self) -> dict[str, Any]:
        """Return the options as JSON has them; `from_config` is the way back."""
        config = {
            name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(self).items()
        }
        return {**config, "user_words": [list(word) for word in self.user_words]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> KeywordOptions:
        """Return the options that `as_config` wrote down, such as those in a manifest."""
        sets = {name: frozenset(config[name]) for name in ("allow", "deny", "tags")}
        return cls(**{**config, **sets, "user_words": tuple(UserWord(*word) for word in config["user_words"])})


def folded_options(options: KeywordOptions) -> KeywordOptions:
    """Return the options with their own words in simplified characters, if texts are to be folded."""
    if not options.folding:
        return options
    return replace(
        options,
        allow=fold_words(options.allow),
        deny=fold_words(options.deny),
        user_words=tuple(word._replace(word=fold(word.word)) for word in options.user_words),
    )


def check_options(options: KeywordOptions) -> None:
    """Raise `ConfigError` for an option out of range, and for a word both allowed and denied."""
    for name in ("count", "min_length", "min_songs", "min_occurrences"):
        value = getattr(options, name)
        if value < 1:
            raise ConfigError(f"{name} of keywords must be at least 1, not {value}.")
    if not 0 < options.max_song_share <= 1:
        raise ConfigError(f"max_song_share must be in (0, 1], not {options.max_song_share}.")
    both = sorted(options.allow & options.deny)
    if both:
        raise ConfigError(f"These words are both allowed and denied: {', '.join(both)}.")
