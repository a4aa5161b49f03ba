"""Finds the candidate words of all songs, on one core or on all."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from songlens_training.catalogue.songs import Song, lyric_lines
from songlens_training.keywords.candidates import Segmenter, Vocabulary
from songlens_training.keywords.dictionary import Dictionary
from songlens_training.keywords.uses import Uses
from songlens_workers.vision.cpus import available_cpus

CHUNK_SONGS = 500
PARALLEL_FROM_CHARACTERS = 1_000_000
"""Below this, more processes cost more (half a second each to start) than they save."""

Texts = list[tuple[str, str]]
"""Title and lyrics of songs: all that a worker process needs of them."""


def segment_songs(
    songs: Sequence[Song],
    vocabulary: Vocabulary,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Uses:
    """Return the candidate words of each song, in the order of `songs`.

    From `PARALLEL_FROM_CHARACTERS` of lyrics on, `processes` (default: one for each processor) share the work.
    `progress` is called with songs done and songs in all.
    """
    processes = processes or available_cpus()
    dictionary = vocabulary.dictionary()
    if processes == 1 or sum(len(song.lyrics) for song in songs) < PARALLEL_FROM_CHARACTERS:
        segmenter = Segmenter(vocabulary, dictionary)
        return _gather((_chunk_uses(segmenter, chunk) for chunk in _chunks(songs)), len(songs), progress)
    # Spawned, not forked: the caller may have threads of numba, torch or FAISS.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (vocabulary, dictionary.packed())) as pool:
        return _gather(pool.map(_worker_uses, _chunks(songs)), len(songs), progress)


def _chunks(songs: Sequence[Song]) -> Iterator[Texts]:
    for start in range(0, len(songs), CHUNK_SONGS):
        yield [(song.title, song.lyrics) for song in songs[start : start + CHUNK_SONGS]]


def _chunk_uses(segmenter: Segmenter, texts: Texts) -> Uses:
    return Uses.of(segmenter.uses_of(title, lyric_lines(lyrics)) for title, lyrics in texts)


def _gather(chunks: Iterable[Uses], total: int, progress: Callable[[int, int], None] | None) -> Uses:
    gathered: list[Uses] = []
    done = 0
    for uses in chunks:
        gathered.append(uses)
        done += uses.songs
        if progress is not None:
            progress(done, total)
    return Uses.joined(gathered)


_worker_segmenter: Segmenter | None = None
"""Of a worker process, for all its chunks."""


def _start_worker(vocabulary: Vocabulary, dictionary: bytes) -> None:
    global _worker_segmenter  # noqa: PLW0603 - a pool's initialiser has no other place to leave its result
    _worker_segmenter = Segmenter(vocabulary, Dictionary.unpacked(dictionary))


def _worker_uses(texts: Texts) -> Uses:
    assert _worker_segmenter is not None  # the pool's initialiser has run
    return _chunk_uses(_worker_segmenter, texts)
