"""A listening log is read row by row: good rows are kept, bad ones are counted, named and written down."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from songlens_shared.errors import DataError
from songlens_training.catalogue.listening import Plays, read_plays
from songlens_training.catalogue.tables import RejectLog

SONGS = ("s1", "s2", "7")
GOOD = {"user": "u1", "song": "s1", "plays": 3, "time": "2024-05-01T12:00:00Z"}
NOON_S = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()


def write_jsonl(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def read(path: Path, rejects: Path | None = None, *, timed: bool = False) -> tuple[Plays, dict[str, int]]:
    with RejectLog(rejects) as log:
        plays = read_plays(path, log, SONGS, timed=timed)
        return plays, dict(log.summary(str(path)).refused)


def rows_of(plays: Plays) -> list[tuple[str, str, float, float]]:
    return [
        (plays.users[user], plays.songs[song], count, time_s)
        for user, song, count, time_s in zip(plays.user_of, plays.song_of, plays.counts, plays.times_s, strict=True)
    ]


BAD_PLAYS = "plays is not a number above 0, at most 1e+09"
BAD_TIME = "time is neither ISO 8601 nor unix seconds, from 1980 to 2199"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**GOOD, "user": ""}, "empty user"),
        ({**GOOD, "user": "  "}, "empty user"),
        ({**GOOD, "user": None}, "missing user"),
        ({**GOOD, "user": 1.5}, "user is not text"),
        ({**GOOD, "user": True}, "user is not text"),
        ({"user": "u1"}, "missing song"),
        ({**GOOD, "song": "s3"}, "unknown song"),
        ({**GOOD, "song": 8}, "unknown song"),
        ({**GOOD, "plays": 0}, BAD_PLAYS),
        ({**GOOD, "plays": -1}, BAD_PLAYS),
        ({**GOOD, "plays": "often"}, BAD_PLAYS),
        ({**GOOD, "plays": True}, BAD_PLAYS),
        ({**GOOD, "plays": 1e10}, BAD_PLAYS),
        (b'{"user": "u1", "song": "s1", "plays": NaN}', BAD_PLAYS),
        (b'{"user": "u1", "song": "s1", "plays": Infinity}', BAD_PLAYS),
        ({**GOOD, "time": "yesterday"}, BAD_TIME),
        ({**GOOD, "time": ""}, BAD_TIME),
        ({**GOOD, "time": "2024-02-30"}, BAD_TIME),
        ({**GOOD, "time": "0001-01-01T00:00:00+14:00"}, BAD_TIME),
        ({**GOOD, "time": NOON_S * 1000}, BAD_TIME),
        ({**GOOD, "time": 20240501}, BAD_TIME),
        ({**GOOD, "time": -5}, BAD_TIME),
        ({**GOOD, "time": [2024, 5, 1]}, BAD_TIME),
        (b'{"user": "u1", "song": "s1", "time": NaN}', BAD_TIME),
        (b'{"user": "\\ud800", "song": "s1"}', "invalid UTF-8 in user"),
        (b'{"user": "u1", ', "unreadable JSON"),
        (b"[1]", "not a JSON object"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(tmp_path: Path, row: Any, reason: str) -> None:
    """One bad row between good ones costs that row only; its line, reason and content are in the rejects file."""
    path = write_jsonl(tmp_path / "log.jsonl", GOOD, row, {**GOOD, "user": "u2"})
    plays, refused = read(path, tmp_path / "rejects.jsonl")
    assert plays.users == ["u1", "u2"]
    assert len(rows_of(plays)) == 2
    assert refused == {reason: 1}
    [entry] = map(json.loads, (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines())
    assert (entry["source"], entry["line"], entry["reason"]) == (str(path), 2, reason)


def test_the_three_formats_hold_the_same_log(tmp_path: Path) -> None:
    """JSONL, CSV and Parquet, whose times are of a type of their own, give the same rows."""
    write_jsonl(tmp_path / "l.jsonl", GOOD, {"user": 5, "song": 7})
    (tmp_path / "l.csv").write_text("user,song,plays,time\nu1,s1,3,2024-05-01T12:00:00Z\n5,7,,\n", "utf-8-sig")
    times = pa.array([datetime(2024, 5, 1, 12, tzinfo=UTC), None], pa.timestamp("us", "UTC"))
    columns = {"user": ["u1", "5"], "song": ["s1", "7"], "plays": pa.array([3, None], pa.int32()), "time": times}
    pq.write_table(pa.table(columns), tmp_path / "l.parquet")
    for name in ("l.jsonl", "l.csv", "l.parquet"):
        plays, refused = read(tmp_path / name)
        first, second = rows_of(plays)
        assert first == ("u1", "s1", 3.0, NOON_S), name
        assert second[:3] == ("5", "7", 1.0)
        assert np.isnan(second[3])
        assert refused == {}


@pytest.mark.parametrize(
    "time",
    [
        "2024-05-01T12:00:00Z",
        "2024-05-01T12:00:00",
        " 2024-05-01 12:00 ",
        "2024-05-01T20:00:00+08:00",
        "20240501T120000Z",
        NOON_S,
        int(NOON_S),
        str(int(NOON_S)),
    ],
)
def test_times_in_many_forms(tmp_path: Path, time: Any) -> None:
    """ISO 8601, UTC where it names no zone, and unix seconds, as numbers or as text, are the same moment."""
    plays, _ = read(write_jsonl(tmp_path / "l.jsonl", {**GOOD, "time": time}))
    assert plays.times_s.tolist() == [NOON_S]


def test_days_are_times(tmp_path: Path) -> None:
    """A date is its first moment, with hyphens, without them (which are no unix seconds), and as Parquet's own type."""
    midnight_s = NOON_S - 12 * 3600
    write_jsonl(tmp_path / "l.jsonl", {**GOOD, "time": "2024-05-01"}, {**GOOD, "time": "20240501"})
    assert read(tmp_path / "l.jsonl")[0].times_s.tolist() == [midnight_s, midnight_s]
    columns = {"user": ["u"], "song": ["s1"], "time": pa.array([date(2024, 5, 1)])}
    pq.write_table(pa.table(columns), tmp_path / "l.parquet")
    assert read(tmp_path / "l.parquet")[0].times_s.tolist() == [midnight_s]


def test_a_row_without_time_where_time_counts(tmp_path: Path) -> None:
    """Where plays are weighed by age a row without time cannot be, and is refused."""
    path = write_jsonl(tmp_path / "l.jsonl", GOOD, {"user": "u2", "song": "s1"})
    assert read(path)[0].users == ["u1", "u2"]
    plays, refused = read(path, timed=True)
    assert plays.users == ["u1"]
    assert refused == {"missing time, by which plays are weighed": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "has no usable row: it is empty"), (b'{"user": "u", "song": "x"}\n', r"no usable row: unknown song \(1")],
)
def test_a_log_without_any_good_row_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    """A log that tells nothing is a DataError with a sentence that says why."""
    (tmp_path / "l.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "l.jsonl")
