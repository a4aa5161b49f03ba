"""Finds the candidate words of one song: whole tokens, and listed words inside longer tokens.

The part of speech of a word is that of the dictionary, not of its place in the sentence: jieba's own tagger is thirty
times slower than its plain cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from songlens_training.catalogue.songs import Song
from songlens_training.keywords.dictionary import Dictionary, UserWord, has_latin, load_dictionary
from songlens_training.keywords.folding import fold
from songlens_training.keywords.options import NOUN_TAGS
from songlens_training.keywords.uses import TITLE_LINE, WordUse

OPAQUE_TAGS = frozenset({"m", "mq", "nt", "nrt", "nrfg"})
"""Numbers and foreign or historic names: their characters mean nothing by themselves."""
MAX_COMPOUND_LENGTH = 4
_REMEMBERED_LINES = 1 << 16
"""Choruses come again."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Which words of a text are candidates for keywords. All are folded where texts are."""

    listed: frozenset[str]
    """Candidates whatever their length and part of speech, found inside longer words too: what images bear, and what
    the user allows."""
    deny: frozenset[str] = frozenset()
    """Never candidates: stop words and what the user forbids."""
    other_meanings: frozenset[str] = frozenset()
    """Longer words in which a single character means something else."""
    min_length: int = 2
    """Of candidates that are not listed."""
    tags: frozenset[str] = NOUN_TAGS
    """Parts of speech of candidates that are not listed."""
    titles: bool = True
    """Whether words of titles count."""
    folding: bool = True
    """Whether traditional characters are read as simplified ones."""
    user_words: tuple[UserWord, ...] = ()

    def dictionary(self) -> Dictionary:
        """Load jieba's dictionary with the user's words and the listed ones; takes a second the first time."""
        return load_dictionary(self.user_words, self.listed)


@dataclass(eq=False)
class Segmenter:
    """Cuts texts and finds candidate words."""

    vocabulary: Vocabulary
    dictionary: Dictionary
    """One with the words of the vocabulary: `vocabulary.dictionary()`."""

    def uses(self, song: Song) -> tuple[WordUse, ...]:
        """Return the candidate words of a song, in order of appearance, those of the title last."""
        return self.uses_of(song.title, song.lines)

    def uses_of(self, title: str, lines: Sequence[str]) -> tuple[WordUse, ...]:
        """Return the candidate words of a title and of lyric lines, none of which holds a line break."""
        if self.vocabulary.folding:
            title, lines = _folded(title, lines)
        counts: dict[str, int] = {}
        first_line: dict[str, int] = {}
        for number, line in enumerate(lines):
            for word in self.candidates(line):
                if word in counts:
                    counts[word] += 1
                else:
                    counts[word], first_line[word] = 1, number
        for word in self.candidates(title) if self.vocabulary.titles else ():
            counts[word] = counts.get(word, 0) + 1
        return tuple([WordUse(word, count, first_line.get(word, TITLE_LINE)) for word, count in counts.items()])

    @cached_property
    def candidates(self) -> Callable[[str], tuple[str, ...]]:
        """Return the candidate words of a text, as often as they occur. Takes folded text where texts are folded."""
        return lru_cache(_REMEMBERED_LINES)(self._candidates)

    def parts(self, token: str) -> tuple[str, ...]:
        """Return the listed words inside a compound: 月 of 明月, 咖啡 of 咖啡馆."""
        return self._meanings.parts(token)

    def _candidates(self, text: str) -> tuple[str, ...]:
        meanings = self._meanings
        if has_latin(text):
            return tuple([word for token in self.dictionary.cut(text) for word in meanings[token]])
        # Most tokens are single characters that mean nothing: they are passed over where they stand.
        characters = self._characters
        ends = self.dictionary.ends(text)
        found: list[str] = []
        start, size = 0, len(text)
        while start < size:
            stop = ends[start]
            if stop - start > 1 or text[start] in characters:
                found += meanings[text[start:stop]]
            start = stop
        return tuple(found)

    @cached_property
    def _characters(self) -> frozenset[str]:
        """The single characters that are candidates."""
        single = {word for word in (*self.vocabulary.listed, *self.dictionary.tags) if len(word) == 1}
        return frozenset(character for character in single if self._meanings[character])

    @cached_property
    def _meanings(self) -> _Meanings:
        return _Meanings(self.vocabulary, self.dictionary.tags)


class _Meanings(dict[str, tuple[str, ...]]):
    """Token -> the candidates that it stands for: itself, the listed words inside it, both or none."""

    def __init__(self, vocabulary: Vocabulary, tags: Mapping[str, str]) -> None:
        super().__init__()
        self._known = vocabulary
        self._tags = tags

    def __missing__(self, token: str) -> tuple[str, ...]:
        meaning = self[token] = self._candidates_of(token)
        return meaning

    def _candidates_of(self, token: str) -> tuple[str, ...]:
        known = self._known
        if token in known.deny:
            return ()
        if token in known.listed:
            return (token,)
        if len(token) >= known.min_length and self._tags.get(token) in known.tags:
            return (token, *self.parts(token))
        return self.parts(token)

    def parts(self, token: str) -> tuple[str, ...]:
        if len(token) > MAX_COMPOUND_LENGTH or token in self._known.other_meanings:
            return ()
        if self._tags.get(token) in OPAQUE_TAGS:
            return ()
        listed = self._known.listed
        size = len(token)
        spans = ((start, stop) for start in range(size) for stop in range(start + 1, size + 1))
        return tuple(dict.fromkeys(token[a:b] for a, b in spans if b - a < size and token[a:b] in listed))


def _folded(title: str, lines: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return title and lines folded as one text, for whether it is traditional is told from all of it."""
    text = "\n".join([*lines, title])
    folded = fold(text)
    if folded is text:
        return title, lines
    *lines, title = folded.split("\n", len(lines))
    return title, lines
