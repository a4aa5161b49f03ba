"""Which words become keywords: the options, and whether they agree with one another."""

from __future__ import annotations

from dataclasses import dataclass

from songlens_shared.errors import ConfigError

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
    titles: bool = True
    """Whether words of titles count. The title of a ci or qu names its tune and says nothing of the song."""
    tags: frozenset[str] = NOUN_TAGS
    """jieba's part-of-speech tags of candidates where no images are given."""


def check_options(options: KeywordOptions) -> None:
    """Raise `ConfigError` for an option out of range."""
    if options.count < 1:
        raise ConfigError(f"The number of keywords must be at least 1, not {options.count}.")
    if not 0 < options.max_song_share <= 1:
        raise ConfigError(f"max_song_share must be in (0, 1], not {options.max_song_share}.")
    both = sorted(options.allow & options.deny)
    if both:
        raise ConfigError(f"These words are both allowed and denied: {', '.join(both)}.")
