"""jieba's dictionary, with words added to it, and the cut of a text into the most probable words.

The cut is that of `jieba.cut(text, HMM=False)`, token for token: the path of words of the greatest product of
frequencies, found by dynamic programming from the end. It is made here because jieba takes logarithms anew at every
character and builds a graph of words as a dictionary of lists, which costs more than twice the time. The hidden Markov
model is left out: it guesses words that no dictionary has, and of those nobody collects pictures.
"""

from __future__ import annotations

import marshal
import re
import string
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import inf, log
from typing import Any, NamedTuple

_LATIN = string.ascii_letters + string.digits
_WORD_CHARACTERS = frozenset([*map(chr, range(0x4E00, 0x9FD6)), *_LATIN, *"+#&._%-"])
"""At every other character jieba cuts, whatever the dictionary says."""
_HAS_LATIN = re.compile(f"[{_LATIN}]")


class UserWord(NamedTuple):
    """A word of a user dictionary."""

    word: str
    frequency: int | None
    """How often it occurs, on the scale of jieba's dictionary (60 million words in all); 0: it is no word; None: as
    often as makes it come out whole where it stands alone."""
    tag: str | None
    """Part of speech in jieba's abbreviation; None: what jieba's dictionary says, if it has the word."""


def has_latin(text: str) -> bool:
    """Tell whether there are Latin letters or digits in `text`, of which neighbouring single ones make one token."""
    return _HAS_LATIN.search(text) is not None


def is_word(text: str) -> bool:
    """Tell whether jieba can ever find `text` as one word."""
    return bool(text) and _WORD_CHARACTERS.issuperset(text)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dictionary:
    """Words with log-probability and part of speech. Made by `load_dictionary`."""

    characters: dict[str, float]
    """Every character at which texts are not always cut -> its log-probability as a word, or minus infinity where it
    only begins longer words."""
    longer: dict[str, float]
    """Words of two characters or more, and the beginnings of such words with minus infinity."""
    unknown: float
    """Log-probability of a character that is no word by itself."""
    tags: dict[str, str]

    def packed(self) -> bytes:
        """Return the dictionary for another process of the same interpreter; `unpacked` is the way back.

        Reading it takes a tenth of the time of loading. Unlike pickle, marshal keeps numbers shared that are shared.
        """
        return marshal.dumps((self.characters, self.longer, self.unknown, self.tags))

    @classmethod
    def unpacked(cls, packed: bytes) -> Dictionary:
        """Return the dictionary that `packed` came from."""
        characters, longer, unknown, tags = marshal.loads(packed)
        return cls(characters=characters, longer=longer, unknown=unknown, tags=tags)

    def cut(self, text: str) -> list[str]:
        """Return the tokens of `text`; together they are the text."""
        ends = self.ends(text)
        tokens: list[str] = []
        start, size = 0, len(text)
        while start < size:
            stop = ends[start]
            tokens.append(text[start:stop])
            start = stop
        return _latin_joined(tokens) if has_latin(text) else tokens

    def ends(self, text: str) -> list[int]:
        """Return, for each position, where the word that begins there ends on the most probable path.

        Single letters and digits are not joined yet. Of equally probable paths, the one with the longer first word, as
        in jieba. This loop is where the time of segmentation goes, hence its plainness.
        """
        character_score, longer_score, unknown = self.characters.get, self.longer.get, self.unknown
        size = len(text)
        best = [0.0] * (size + 1)  # log-probability of the path from a position to the next cut
        ends = list(range(1, size + 1))
        start = size
        after = 0.0  # best[start + 1]
        following = ""  # text[start + 1]
        for character in reversed(text):
            start -= 1
            score = character_score(character)
            pair, following = character + following, character
            if score is None:  # always cut here; best[start] stays 0
                after = 0.0
                continue
            top = score + after
            end = stop = start + 1
            score = longer_score(pair)
            while score is not None:
                stop += 1
                path = score + best[stop]
                if path >= top:
                    top, end = path, stop
                if stop == size:
                    break
                score = longer_score(text[start : stop + 1])
            if top == -inf:
                top, end = unknown + after, start + 1
            best[start] = after = top
            ends[start] = end
        return ends


def _latin_joined(tokens: Iterable[str]) -> list[str]:
    """Join neighbouring single letters and digits: l o v e -> love."""
    joined: list[str] = []
    growing = False
    for token in tokens:
        single = len(token) == 1 and token in _LATIN
        if single and growing:
            joined[-1] += token
        else:
            joined.append(token)
        growing = single
    return joined


def load_dictionary(user_words: Iterable[UserWord] = (), known: Iterable[str] = ()) -> Dictionary:
    """Return jieba's dictionary with the user's words, and with `known` as words if they are not yet.

    jieba's global dictionary is neither read nor changed.
    """
    tokenizer, tags = _jieba_with(user_words, known)
    total = log(tokenizer.total)
    # Few frequencies are different. Words that share them share one number in memory, which then is near at hand.
    scores = {n: log(n) - total if n else -inf for n in set(tokenizer.FREQ.values())}
    characters = dict.fromkeys(_WORD_CHARACTERS, -total)
    characters.update((word, scores[n]) for word, n in tokenizer.FREQ.items() if len(word) == 1)
    longer = {word: scores[n] for word, n in tokenizer.FREQ.items() if len(word) > 1}
    return Dictionary(characters=characters, longer=longer, unknown=-total, tags=tags)


def _jieba_with(user_words: Iterable[UserWord], known: Iterable[str]) -> tuple[Any, dict[str, str]]:
    """Return a tokenizer of our own with the words added by jieba's own rules, and word -> part of speech."""
    jieba = _import_jieba()
    words = _jieba_words()
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total, tokenizer.initialized = dict(words.frequencies), words.total, True
    tags = dict(words.tags)
    for word, frequency, tag in user_words:
        if not is_word(word):
            continue
        if frequency == 0:  # add_word would also tell jieba's global finalseg
            tokenizer.FREQ[word] = 0
        else:
            tokenizer.add_word(word, frequency)
        if tag is not None:
            tags[word] = tag
    for word in sorted(known):
        if len(word) > 1 and is_word(word):
            tokenizer.add_word(word)
    return tokenizer, tags


class _JiebaWords(NamedTuple):
    frequencies: dict[str, int]
    """Beginnings of words have 0."""
    total: int
    tags: dict[str, str]


@cache
def _jieba_words() -> _JiebaWords:
    """Read jieba's dictionary, once in a process.

    The beginnings of words are found here, because jieba would keep them as a marshal file in the shared temporary
    folder, where another user can plant one.
    """
    with _import_jieba().Tokenizer().get_dict_file() as file:
        columns = file.read().decode("utf-8").split()  # word, frequency, tag, word, ...
    words, counts = columns[::3], list(map(int, columns[1::3]))
    unreachable = {word for word in words if not is_word(word)}
    frequencies = {word: n for word, n in zip(words, counts, strict=True) if word not in unreachable}
    beginnings = {word[:-1] for word in frequencies}
    while beginnings := {word for word in beginnings if word and word not in frequencies}:
        frequencies.update(dict.fromkeys(beginnings, 0))
        beginnings = {word[:-1] for word in beginnings}
    return _JiebaWords(frequencies, sum(counts), dict(zip(words, columns[2::3], strict=True)))


def _import_jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba 0.42 has invalid escapes, which its first import warns of
        import jieba
    return jieba
