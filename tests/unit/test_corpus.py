"""Songs are read row by row: good ones come out, bad ones are counted, named and kept in the rejects file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from songlens_shared.errors import DataError
from songlens_training.catalogue.songs import Song, read_songs
from songlens_training.catalogue.tables import RejectLog

GOOD = {"id": "1", "title": "雪", "artist": "甲", "lyrics": "雪落下\n山静", "popularity": 3}
SONG = Song(id="1", title="雪", artist="甲", lyrics="雪落下\n山静", popularity=3.0)


def write_jsonl(path: Path, *rows: Any) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def read(path: Path, rejects: Path | None = None) -> tuple[list[Song], dict[str, int]]:
    with RejectLog(rejects) as log:
        songs = list(read_songs(path, log))
        return songs, dict(log.summary(str(path)).refused)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**GOOD, "id": None}, "missing id"),
        ({"id": "2", "lyrics": "雪"}, "missing title"),
        ({"id": "2", "title": "山"}, "missing lyrics"),
        ({**GOOD, "id": "2", "lyrics": " \n "}, "empty lyrics"),
        ({**GOOD, "id": "2", "title": ["山"]}, "title is not text"),
        ({**GOOD, "id": True}, "id is not text"),
        ({**GOOD, "id": "2", "artist": 7}, "artist is not text"),
        (GOOD, "duplicate id"),
        ({**GOOD, "id": "2", "popularity": -1}, "popularity is not a number >= 0"),
        ({**GOOD, "id": "2", "popularity": "many"}, "popularity is not a number >= 0"),
        (b'{"id": "2", "title": "a", "lyrics": "b", "popularity": NaN}', "popularity is not a number >= 0"),
        (b'{"id": "2", "title": "a", "lyrics": "\\ud800"}', "invalid UTF-8 in lyrics"),
        (b'{"id": "2", "title": "\xff"}', "invalid UTF-8"),
        (b'{"id": "2", ', "unreadable JSON"),
        (b"[" * 100_000, "unreadable JSON"),
        (b'["id"]', "not a JSON object"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(tmp_path: Path, row: Any, reason: str) -> None:
    """One bad row between good ones costs that row only; its line, reason and content are in the rejects file."""
    path = write_jsonl(tmp_path / "songs.jsonl", GOOD, row, {**GOOD, "id": "9"})
    songs, refused = read(path, tmp_path / "rejects.jsonl")
    assert [song.id for song in songs] == ["1", "9"]
    assert refused == {reason: 1}
    [entry] = map(json.loads, (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines())
    assert (entry["source"], entry["line"], entry["reason"]) == (str(path), 2, reason)
    assert entry["row"]


def test_the_three_formats_hold_the_same_song(tmp_path: Path) -> None:
    """JSONL, CSV (quoted newlines, byte order mark) and Parquet give equal songs."""
    write_jsonl(tmp_path / "s.jsonl", GOOD)
    cell = '"雪落下\n山静"'
    (tmp_path / "s.csv").write_text(f"id,title,artist,lyrics,popularity\n1,雪,甲,{cell},3\n", "utf-8-sig")
    pq.write_table(pa.Table.from_pylist([GOOD]), tmp_path / "s.parquet")
    assert [read(tmp_path / name) for name in ("s.jsonl", "s.csv", "s.parquet")] == [([SONG], {})] * 3


def test_optional_columns_may_be_absent_or_empty(tmp_path: Path) -> None:
    """Without artist and popularity a song has none; an empty CSV cell is absent; a whole number is an id."""
    write_jsonl(tmp_path / "s.jsonl", {"id": 7, "title": "雪", "lyrics": "雪", "artist": None})
    (tmp_path / "s.csv").write_text("id,title,lyrics,artist,popularity\n7,雪,雪,,\n", "utf-8")
    expected = Song(id="7", title="雪", artist="", lyrics="雪")
    assert read(tmp_path / "s.jsonl")[0] == read(tmp_path / "s.csv")[0] == [expected]


def test_csv_in_gb18030_is_read_and_said(tmp_path: Path) -> None:
    """A spreadsheet saved in a Chinese locale is understood, and the summary says so."""
    path = tmp_path / "s.csv"
    path.write_text("id,title,lyrics\n1,雪,山静\n", "gb18030")
    with RejectLog() as log:
        [song] = read_songs(path, log)
        assert song.lyrics == "山静"
        assert log.summary(str(path)).notes == ("read as GB18030, for it is not UTF-8",)


def test_one_damaged_line_does_not_change_the_encoding_of_a_csv(tmp_path: Path) -> None:
    """A UTF-8 file with one broken row stays UTF-8, and only that row is refused."""
    rows = [f"{number},雪{number},山静\n".encode() for number in range(4)]
    rows[2] = b"2,\xd1\xa9\xff,x\n"
    (tmp_path / "s.csv").write_bytes(b"id,title,lyrics\n" + b"".join(rows))
    songs, refused = read(tmp_path / "s.csv")
    assert [song.title for song in songs] == ["雪0", "雪1", "雪3"]
    assert refused == {"invalid UTF-8 in title": 1}


def test_a_csv_of_two_encodings(tmp_path: Path) -> None:
    """Rows in UTF-8 among rows in GB18030 would be read as other Chinese: they are refused with their line."""
    gb18030 = [f"{number},秋,落叶满空山".encode("gb18030") for number in range(4)]
    utf8 = ["4,夏,沙漠里的一片海".encode(), "5,冬,山".encode()]
    (tmp_path / "s.csv").write_bytes(b"\n".join([b"id,title,lyrics", *gb18030, *utf8, b"6,\xff,x", b""]))
    songs, refused = read(tmp_path / "s.csv", tmp_path / "rejects")
    assert [song.lyrics for song in songs] == ["落叶满空山"] * 4
    assert refused == {"UTF-8 in a file of GB18030": 2, "invalid GB18030": 1}
    entries = [json.loads(line) for line in (tmp_path / "rejects").read_text("utf-8").splitlines()]
    assert [entry["line"] for entry in entries] == [6, 7, 8]


def test_a_summary_names_the_first_line_of_each_reason(tmp_path: Path) -> None:
    """Enough to open the file at the right place."""
    path = write_jsonl(tmp_path / "s.jsonl", GOOD, {}, {**GOOD, "id": "2", "lyrics": ""}, {}, b"\xff")
    with RejectLog() as log:
        list(read_songs(path, log))
        assert log.summary(str(path)).first_lines == {"missing id": 2, "empty lyrics": 3, "invalid UTF-8": 5}


def test_a_csv_row_with_a_cell_too_many_is_refused(tmp_path: Path) -> None:
    """An unquoted comma in the lyrics does not shift the columns; the row is refused by its first line's number."""
    (tmp_path / "s.csv").write_text('id,title,lyrics\n1,雪,"山\n静"\n2,雪,a,b\n', "utf-8")
    rejects = tmp_path / "rejects.jsonl"
    songs, refused = read(tmp_path / "s.csv", rejects)
    assert ([song.id for song in songs], refused) == (["1"], {"not as many cells as the header": 1})
    assert json.loads(rejects.read_text("utf-8"))["line"] == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "does not exist"),
        ("s.jsonl", b"", "has no usable row: it is empty"),
        ("s.jsonl", b"{}\n{}\n", r"no usable row: missing id \(2, first in line 1\)"),
        ("s.xlsx", b"PK", "neither .jsonl, .csv nor .parquet"),
        ("s.parquet", b"PAR1 but not really", "cannot be read as Parquet"),
    ],
)
def test_a_file_without_any_good_row_is_an_error(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """A file that gives no song at all is a DataError with a sentence that says what is wrong with it."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_rows_are_streamed(tmp_path: Path) -> None:
    """The first song comes out before later lines are looked at, so that a file need not fit in memory."""
    path = write_jsonl(tmp_path / "s.jsonl", GOOD, b"{broken")
    with RejectLog() as log:
        songs = read_songs(path, log)
        assert next(songs) == SONG
        assert log.summary(str(path)).refused_rows == 0
        assert list(songs) == []
        assert log.summary(str(path)).refused_rows == 1


def test_without_a_bad_row_there_is_no_rejects_file(tmp_path: Path) -> None:
    """The rejects file appears only when there is something in it."""
    read(write_jsonl(tmp_path / "s.jsonl", GOOD), tmp_path / "rejects.jsonl")
    assert not (tmp_path / "rejects.jsonl").exists()
