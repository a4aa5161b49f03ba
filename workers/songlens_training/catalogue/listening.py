"""Listening logs: who played which song, how often and when, read with every row checked."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songlens_training.catalogue.tables import (
    RejectLog,
    Row,
    RowRefused,
    checked_rows,
    finite_number,
    id_field,
    read_rows,
)

MOST_PLAYS = 1e9
"""In one row; more is a slip."""
EARLIEST_S = datetime(1980, 1, 1, tzinfo=UTC).timestamp()
LATEST_S = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
"""Numbers beyond these are no unix seconds: milliseconds, or a date without its hyphens."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plays:
    """The good rows of a log, R of them. Users and songs are numbered in order of appearance."""

    users: list[str]
    songs: list[str]
    user_of: NDArray[np.int32]
    """(R,) positions in `users`."""
    song_of: NDArray[np.int32]
    """(R,) positions in `songs`."""
    counts: NDArray[np.float64]
    """(R,) plays, > 0."""
    times_s: NDArray[np.float64]
    """(R,) unix seconds; NaN for a row without time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Play:
    user: str
    song: str
    count: float
    time_s: float


def read_plays(path: Path, rejects: RejectLog, songs: Collection[str], *, timed: bool = False) -> Plays:
    """Return the good rows of a .jsonl, .csv or .parquet file; refuse bad rows into `rejects`.

    Columns: `user` and `song` (text or whole number; the song one of `songs`), and optionally `plays` (a number > 0,
    by default 1) and `time` (ISO 8601, UTC where it names no zone, or unix seconds; required if `timed`). A user may
    have several rows for a song. The file is streamed; a good row takes 24 bytes. Counts are at
    `rejects.summary(str(path))` afterwards. Raises `DataError` when the file cannot be read or has no good row.
    """
    known = frozenset(songs)
    rows = checked_rows(str(path), read_rows(path, rejects), _parser(known, timed=timed), rejects)
    return _gathered(rows)


def _gathered(plays: Iterator[_Play]) -> Plays:
    users: dict[str, int] = {}
    songs: dict[str, int] = {}
    user_of, song_of, counts, times_s = array("i"), array("i"), array("d"), array("d")
    for play in plays:
        user_of.append(users.setdefault(play.user, len(users)))
        song_of.append(songs.setdefault(play.song, len(songs)))
        counts.append(play.count)
        times_s.append(play.time_s)
    return Plays(
        users=list(users),
        songs=list(songs),
        user_of=np.frombuffer(user_of, np.int32),
        song_of=np.frombuffer(song_of, np.int32),
        counts=np.frombuffer(counts, np.float64),
        times_s=np.frombuffer(times_s, np.float64),
    )


def _parser(songs: frozenset[str], *, timed: bool) -> Callable[[Row], _Play]:
    def parse(row: Row) -> _Play:
        user, song = id_field(row, "user"), id_field(row, "song")
        if song not in songs:
            raise RowRefused("unknown song")
        return _Play(user=user, song=song, count=_count(row), time_s=_time_s(row, required=timed))

    return parse


def _count(row: Row) -> float:
    value = row.fields.get("plays")
    count = 1.0 if value is None else finite_number(value)
    if count is None or not 0 < count <= MOST_PLAYS:
        raise RowRefused(f"plays is not a number above 0, at most {MOST_PLAYS:.0e}")
    return count


def _time_s(row: Row, *, required: bool) -> float:
    value = row.fields.get("time")
    if value is None:
        if required:
            raise RowRefused("missing time, by which plays are weighed")
        return float("nan")
    for read in (finite_number, _calendar_s):
        time_s = read(value)
        if time_s is not None and EARLIEST_S <= time_s < LATEST_S:
            return time_s
    raise RowRefused("time is neither ISO 8601 nor unix seconds, from 1980 to 2199")


def _calendar_s(value: Any) -> float | None:
    """Return the unix seconds of ISO 8601 text, or of a date or time as Parquet has them; UTC without a zone."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
