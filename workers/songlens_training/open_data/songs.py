"""Song ci and Yuan qu as songs: lyrics in the literal sense, for both were written to be sung."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from songlens_training.catalogue.songs import Song
from songlens_training.open_data.archives import read_members
from songlens_training.open_data.lyrics import LACUNA, count_characters, mend, sung_lines

MIN_CHARACTERS = 12
MAX_LACUNA_SHARE = 0.1

_CI_FILE = re.compile(r"package/dist/songci/ci\.song\.(\d+y?)\.json")
_RANK_FILE = re.compile(r"package/dist/rank/ci/ci\.song\.rank\.(\d+y?)\.json")
_QU_FILE = "package/dist/yuanqu/yuanqu.json"
_SEARCH_ENGINES = ("baidu", "so360", "google", "bing", "bing_en")
_OPENING = re.compile(r"[^，。！？、；：\n]+")
_SENTENCE_MARK = re.compile(r"[，。！？；]")
_PLAY = re.compile(r"^(?P<author>.+?)《(?P<play>.+)》$")


@dataclass(frozen=True, kw_only=True)
class Songbook:
    """The songs that can be used (popularity is log(1 + search hits) where somebody counted), and how many rows of the
    source were left out for which reason."""

    songs: list[Song]
    dropped: dict[str, int]


def read_songs(archive: Path) -> Songbook:
    """Read every Song ci and Yuan qu of the poetry package; ids are stable for one version of it.

    Raises `DataError` when the archive cannot be read.
    """
    ci, ranks, qu = _read_rows(archive)
    songs = [*_name_apart(_ci_songs(ci, _hits(ranks))), *_name_apart(_qu_songs(qu))]
    return _usable(songs)


def _read_rows(archive: Path) -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """Return ci rows by file, rank rows by file, and qu rows."""
    ci, ranks, qu = {}, {}, []
    for name, content in read_members(
        archive, lambda name: "/songci/" in name or "/rank/ci/" in name or name == _QU_FILE
    ):
        if match := _CI_FILE.fullmatch(name):
            ci[match[1]] = json.loads(content)
        elif match := _RANK_FILE.fullmatch(name):
            ranks[match[1]] = json.loads(content)
        elif name == _QU_FILE:
            qu = json.loads(content)
    return _in_order(ci), _in_order(ranks), qu


def _in_order(files: dict[str, Any]) -> dict[str, Any]:
    """Sort files by the number of their first row; the supplement (2019y) comes last."""
    return dict(sorted(files.items(), key=lambda file: (file[0].endswith("y"), int(file[0].rstrip("y")))))


def _hits(ranks: dict[str, Any]) -> dict[tuple[str, str], list[int]]:
    """Return the summed search hits of each (author, tune), in the order of the source."""
    hits = defaultdict(list)
    for rows in ranks.values():
        for row in rows:
            hits[row["author"], row["rhythmic"]].append(sum(int(row.get(engine, 0)) for engine in _SEARCH_ENGINES))
    return hits


def _ci_songs(files: dict[str, Any], hits: dict[tuple[str, str], list[int]]) -> Iterator[Song]:
    seen: Counter[tuple[str, str]] = Counter()
    for start, rows in files.items():
        for index, row in enumerate(rows):
            key = row["author"], row["rhythmic"]
            counts = hits.get(key, [])
            popularity = round(math.log1p(counts[seen[key]]), 3) if seen[key] < len(counts) else None
            seen[key] += 1
            number = f"{start}.{index}" if start.endswith("y") else f"{int(start) + index:05d}"
            lyrics = "\n".join(sung_lines("".join(row["paragraphs"])))
            artist = mend(row["author"].rstrip("0123456789"))  # 王炎2 is the second poet of that name
            yield Song(
                id=f"ci.{number}", title=mend(row["rhythmic"]), artist=artist, lyrics=lyrics, popularity=popularity
            )


def _qu_songs(rows: list[Any]) -> Iterator[Song]:
    for index, row in enumerate(rows):
        title, beginning = split_qu_title(row["title"])
        artist = row["author"]
        lyrics = "\n".join(sung_lines(beginning + "".join(row["paragraphs"])))
        if play := _PLAY.match(artist):
            artist, title = play["author"], f"{play['play']}・{title}"
        title = title or _opening(lyrics)
        yield Song(id=f"qu.{index:05d}", title=mend(title), artist=mend(artist), lyrics=lyrics)


def split_qu_title(title: str) -> tuple[str, str]:
    """Split a title into the tune and the lines that the source ran into it: 尾・我是个蒸不烂、… -> 尾, 我是个…"""
    tune, dot, rest = title.partition("・")
    return (tune, rest) if dot and _SENTENCE_MARK.search(rest) else (title, "")


def _name_apart(songs: Iterator[Song]) -> Iterator[Song]:
    """Add the opening words where one artist uses a tune more than once: 浣溪沙 (一曲新词酒一杯)."""
    every = list(songs)
    uses = Counter((song.artist, song.title) for song in every)
    for song in every:
        several = uses[song.artist, song.title] > 1 and song.lyrics
        yield replace(song, title=f"{song.title} ({_opening(song.lyrics)})") if several else song


def _opening(lyrics: str) -> str:
    """Return the words up to the first punctuation, by which an untitled poem is known."""
    match = _OPENING.search(lyrics)
    return match[0] if match else ""


def _usable(songs: list[Song]) -> Songbook:
    kept: list[Song] = []
    dropped: Counter[str] = Counter()
    known: set[tuple[str, str]] = set()
    for song in songs:
        reason = _fault(song, known)
        if reason:
            dropped[reason] += 1
            continue
        known.add((song.artist, song.lyrics))
        kept.append(song)
    return Songbook(songs=kept, dropped=dict(sorted(dropped.items())))


def _fault(song: Song, known: set[tuple[str, str]]) -> str | None:
    characters = count_characters(song.lyrics)
    if characters < MIN_CHARACTERS:
        return "fragment"
    if song.lyrics.count(LACUNA) > MAX_LACUNA_SHARE * characters:
        return "lacunae"
    return "duplicate" if (song.artist, song.lyrics) in known else None
