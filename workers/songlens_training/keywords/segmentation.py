"""Segments lyrics into words with jieba, on one core or on all, and finds the candidate words in them.

jieba's own tagger is forty times slower than its plain cut, and the hidden Markov model guesses words that no
dictionary has; so texts are cut by the dictionary alone, and the part of speech is the dictionary's.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from songlens_training.catalogue.songs import Song
from songlens_training.keywords.options import NOUN_TAGS

OPAQUE_TAGS = frozenset({"m", "mq", "nt", "nrt", "nrfg"})
"""Numbers and foreign or historic names: their characters mean nothing by themselves."""
MAX_COMPOUND_LENGTH = 4
TITLE_LINE = -1
CHUNK_SONGS = 500
PARALLEL_FROM_SONGS = 5_000
"""Below this a second process costs more (about a second to load the dictionary) than it saves."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Which words of a text are candidates for keywords."""

    words: frozenset[str] | None
    """The words that catalogue images bear; None: every word of the dictionary with a tag in `tags`."""
    allow: frozenset[str] = frozenset()
    """Candidates whatever their length and part of speech."""
    deny: frozenset[str] = frozenset()
    """Never candidates: stop words and what the user forbids."""
    other_meanings: frozenset[str] = frozenset()
    """Longer words in which a single character means something else."""
    min_length: int = 2
    """Of candidates that are not listed."""
    titles: bool = True
    """Whether words of titles count."""
    tags: frozenset[str] = NOUN_TAGS

    @cached_property
    def listed(self) -> frozenset[str]:
        """Candidates known beforehand; they are found inside longer words too."""
        return ((self.words or frozenset()) | self.allow) - self.deny


class WordUse(NamedTuple):
    """A candidate word in one song."""

    word: str
    occurrences: int
    """In title and lyrics."""
    line: int
    """Index of the first of `Song.lines` that holds it, or `TITLE_LINE`."""


@dataclass(eq=False)
class Segmenter:
    """Cuts texts and finds candidate words. Holds a dictionary of its own; never touches jieba's global one."""

    vocabulary: Vocabulary
    _found: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False)

    @cached_property
    def _dictionary(self) -> tuple[Any, dict[str, str]]:
        tokenizer, tags = _load_dictionary()
        for word in sorted(self.vocabulary.listed):
            if len(word) > 1:
                tokenizer.add_word(word)
        return tokenizer, tags

    def uses(self, song: Song) -> tuple[WordUse, ...]:
        """Return the candidate words of a song, in order of appearance, the title last."""
        counts: dict[str, int] = {}
        first_line: dict[str, int] = {}
        titles = [(TITLE_LINE, song.title)] if self.vocabulary.titles else []
        for line, text in [*enumerate(song.lines), *titles]:
            for word in self.candidates(text):
                counts[word] = counts.get(word, 0) + 1
                first_line.setdefault(word, line)
        return tuple(WordUse(word, count, first_line[word]) for word, count in counts.items())

    def candidates(self, text: str) -> Iterator[str]:
        """Yield the candidate words of a text, as often as they occur."""
        tokenizer, _ = self._dictionary
        for token in tokenizer.cut(text, HMM=False):
            found = self._found.get(token)
            if found is None:
                found = self._found[token] = self._candidates_of(token)
            yield from found

    def _candidates_of(self, token: str) -> tuple[str, ...]:
        """Return the candidates that one token stands for: itself, else those it is made of."""
        known = self.vocabulary
        if token in known.deny:
            return ()
        if token in known.listed:
            return (token,)
        if known.words is None and self._is_open_candidate(token):
            return (token, *self._parts(token))
        return self._parts(token)

    def _is_open_candidate(self, token: str) -> bool:
        _, tags = self._dictionary
        return len(token) >= self.vocabulary.min_length and tags.get(token) in self.vocabulary.tags

    def _parts(self, token: str) -> tuple[str, ...]:
        """Return the listed words inside a compound: 月 of 明月, 咖啡 of 咖啡馆."""
        _, tags = self._dictionary
        if len(token) > MAX_COMPOUND_LENGTH or token in self.vocabulary.other_meanings:
            return ()
        if tags.get(token) in OPAQUE_TAGS:
            return ()
        listed = self.vocabulary.listed
        size = len(token)
        spans = ((start, stop) for start in range(size) for stop in range(start + 1, size + 1))
        return tuple(dict.fromkeys(token[a:b] for a, b in spans if b - a < size and token[a:b] in listed))


def _load_dictionary() -> tuple[Any, dict[str, str]]:
    """Return a jieba tokenizer and word -> part of speech, from one reading of jieba's dictionary.

    The prefix table is built here, because jieba would keep it as a marshal file in the shared temporary
    folder, where another user can plant one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba 0.42 has invalid escapes, which its first import warns of
        import jieba

    tokenizer = jieba.Tokenizer()
    frequencies: dict[str, int] = {}
    tags: dict[str, str] = {}
    with tokenizer.get_dict_file() as file:
        for raw in file:
            word, frequency, tag = raw.decode("utf-8").split()
            frequencies[word] = int(frequency)
            tags[word] = tag
    tokenizer.total = sum(frequencies.values())
    for word in tags:
        for stop in range(1, len(word)):
            frequencies.setdefault(word[:stop], 0)
    tokenizer.FREQ = frequencies
    tokenizer.initialized = True
    return tokenizer, tags


def segment_songs(
    songs: Sequence[Song],
    vocabulary: Vocabulary,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Uses:
    """Return the candidate words of each song, in the order of `songs`.

    From `PARALLEL_FROM_SONGS` songs on, `processes` (default: all cores) share the work. `progress` is
    called with songs done and songs in all.
    """
    processes = processes or (os.cpu_count() or 1)
    if len(songs) < PARALLEL_FROM_SONGS or processes == 1:
        segmenter = Segmenter(vocabulary)
        return _gather((_chunk_uses(segmenter, chunk) for chunk in _chunks(songs)), len(songs), progress)
    # Spawned, not forked: the caller may have threads of numba, torch or FAISS.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (vocabulary,)) as pool:
        return _gather(pool.map(_worker_uses, _chunks(songs)), len(songs), progress)


Uses = list[tuple[WordUse, ...]]


def _chunks(songs: Sequence[Song]) -> Iterator[Sequence[Song]]:
    return (songs[start : start + CHUNK_SONGS] for start in range(0, len(songs), CHUNK_SONGS))


def _chunk_uses(segmenter: Segmenter, songs: Sequence[Song]) -> Uses:
    return [segmenter.uses(song) for song in songs]


def _gather(chunks: Iterable[Uses], total: int, progress: Callable[[int, int], None] | None) -> Uses:
    gathered: Uses = []
    for uses in chunks:
        gathered += uses
        if progress is not None:
            progress(len(gathered), total)
    return gathered


_worker_segmenter: Segmenter | None = None
"""Of a worker process: the dictionary is loaded once for all its chunks."""


def _start_worker(vocabulary: Vocabulary) -> None:
    global _worker_segmenter  # noqa: PLW0603 - a pool's initialiser has no other place to leave its result
    _worker_segmenter = Segmenter(vocabulary)


def _worker_uses(songs: Sequence[Song]) -> Uses:
    assert _worker_segmenter is not None  # the pool's initialiser has run
    return _chunk_uses(_worker_segmenter, songs)
