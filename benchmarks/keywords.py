"""Keywords: lyrics of 80 characters segmented a second, part of speech included, against jieba's own cut and tagger.

    python benchmarks/keywords.py [--lyrics 20000] [--open FOLDER]

Lyrics are made of the generated catalogue's lines and, where the folder of the open catalogue is given, of Song ci
and Yuan qu, which hardly repeat a line. All run in turns on the same lyrics, in fresh state; dictionaries are loaded
before the clock starts, but for `all processes`, which is timed from start to end as a build pays for it. Rates by
processor time say what a machine with other work on it can do.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from songlens_benchmarks import record
from songlens_training.catalogue.songs import Song, read_songs
from songlens_training.catalogue.tables import RejectLog
from songlens_training.generated.lyrics import song as generated_song
from songlens_training.generated.themes import THEMES
from songlens_training.keywords.candidates import Segmenter, Vocabulary
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.segmentation import segment_songs
from songlens_training.keywords.selection import vocabulary
from songlens_workers.vision.cpus import available_cpus

ROUNDS = 3
CHARACTERS = 80
TAGGED_LYRICS = 300
"""posseg is too slow for more."""
CUT_LYRICS = 4_000
TARGET_PER_S = 5_000


@dataclass(frozen=True)
class Timing:
    """Lyrics a second, by the clock and by processor time, of each round."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def main() -> None:
    arguments = parsed()
    corpora = {"generated": generated_lines()}
    if arguments.open is not None:
        corpora["open"] = open_lines(arguments.open / "songs.jsonl")
    for name, lines in corpora.items():
        songs = list(itertools.islice(lyrics(lines), arguments.lyrics))
        print(
            f"\n{name}: {len(songs)} lyrics of {CHARACTERS} characters, {distinct_share(songs):.0%} of lines distinct"
        )
        report(name, len(songs), measure(systems(songs)))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lyrics", type=int, default=20_000)
    parser.add_argument("--open", type=Path, help="Folder of `songlens data open`.")
    return parser.parse_args()


def generated_lines() -> Iterator[str]:
    for number in itertools.count():
        yield from generated_song(7, number, number + 1, len(THEMES)).lyrics.split("\n")


def open_lines(path: Path) -> Iterator[str]:
    with RejectLog() as rejects:
        songs = list(read_songs(path, rejects))
    random.Random(1).shuffle(songs)
    for song in songs:
        yield from song.lines


def lyrics(lines: Iterable[str]) -> Iterator[Song]:
    """Yield songs of exactly `CHARACTERS`, line breaks not counted."""
    taken: list[str] = []
    room = CHARACTERS
    for number, line in enumerate(lines):
        taken.append(line[:room])
        room -= len(taken[-1])
        if not room:
            yield Song(id=str(number), title="歌", artist="", lyrics="\n".join(taken))
            taken, room = [], CHARACTERS


def distinct_share(songs: Iterable[Song]) -> float:
    lines = [line for song in songs for line in song.lines]
    return len(set(lines)) / len(lines)


def systems(songs: list[Song]) -> dict[str, Callable[[], tuple[int, float, float]]]:
    """Return what is compared; each returns lyrics, seconds and processor seconds of one run."""
    words = vocabulary(KeywordOptions(), {theme.keyword: 1 for theme in THEMES})
    texts = [song.lyrics for song in songs]
    processes = available_cpus()
    return {
        "1 process": lambda: segmenting(songs, words),
        "1 process, traditional": lambda: segmenting(traditional(songs[:CUT_LYRICS]), words),
        f"all processes ({processes})": lambda: on_all(songs, words, processes),
        "jieba.cut, no HMM": lambda: cutting(texts[:CUT_LYRICS]),
        "jieba.posseg": lambda: tagging(texts[:TAGGED_LYRICS]),
    }


def measure(compared: dict[str, Callable[[], tuple[int, float, float]]]) -> dict[str, Timing]:
    """Run all in turns."""
    timings = {name: Timing() for name in compared}
    for _ in range(ROUNDS):
        for name, run in compared.items():
            count, seconds, processor_seconds = run()
            timings[name].wall.append(count / seconds)
            timings[name].processor.append(count / processor_seconds)
    return timings


def report(corpus: str, count: int, timings: dict[str, Timing]) -> None:
    """Print and record the medians."""
    baseline = statistics.median(timings["jieba.cut, no HMM"].processor)
    print(f"{'':<26}{'lyrics/s':>10}{'by processor':>14}{'of jieba.cut':>14}")
    for name, timing in timings.items():
        wall, processor = statistics.median(timing.wall), statistics.median(timing.processor)
        figures = {
            "lyrics_per_s": round(wall),
            "lyrics_per_processor_s": round(processor),
            "times_jieba_cut": round(processor / baseline, 2),
        }
        print(
            f"{name:<26}" + "".join(f"{figure:>{w}}" for figure, w in zip(figures.values(), (10, 14, 14), strict=True))
        )
        record.write(
            "keywords", {"corpus": corpus, "lyrics": count, "characters": CHARACTERS, "system": name, **figures}
        )
    print(f"to reach: {TARGET_PER_S} lyrics/s on two processors, part of speech included; medians of {ROUNDS}")


def timed(work: Callable[[], Any], count: int) -> tuple[int, float, float]:
    started_s, processor_before_s = time.perf_counter(), processor_s()
    work()
    return count, time.perf_counter() - started_s, processor_s() - processor_before_s


def processor_s() -> float:
    """Return the processor time of this process and of those that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def segmenting(songs: list[Song], words: Vocabulary) -> tuple[int, float, float]:
    segmenter = Segmenter(words, words.dictionary())
    return timed(lambda: [segmenter.uses(song) for song in songs], len(songs))


def on_all(songs: list[Song], words: Vocabulary, processes: int) -> tuple[int, float, float]:
    return timed(lambda: segment_songs(songs, words, processes=processes), len(songs))


def traditional(songs: Iterable[Song]) -> list[Song]:
    import opencc

    convert = opencc.OpenCC("s2t").convert
    return [Song(id=song.id, title=song.title, artist="", lyrics=convert(song.lyrics)) for song in songs]


def cutting(texts: list[str]) -> tuple[int, float, float]:
    cut = loaded_jieba().cut
    return timed(lambda: [list(cut(text, HMM=False)) for text in texts], len(texts))


def tagging(texts: list[str]) -> tuple[int, float, float]:
    tagger = loaded_jieba().posseg.POSTokenizer()
    return timed(lambda: [list(tagger.cut(text)) for text in texts], len(texts))


@cache
def loaded_jieba() -> Any:
    """Return jieba with its dictionary loaded; it keeps no file in the shared temporary folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba.posseg
    jieba.setLogLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        jieba.dt.tmp_dir = folder
        jieba.initialize()
    return jieba


if __name__ == "__main__":
    main()
