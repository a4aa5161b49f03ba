"""The keyword report shows each keyword with counts and examples, and what nearly became one."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from songlens_shared.errors import ConfigError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.commands.model import command
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.report import keyword_report, write_report
from songlens_training.keywords.selection import NEAR_MISSES, find_keywords
from songlens_training.keywords.table import Miss


def songs(*lyrics: str) -> list[Song]:
    return [Song(id=str(n), title=f"歌{n}", artist="", lyrics=text) for n, text in enumerate(lyrics)]


def images(*words: str) -> list[CatalogueImage]:
    return [CatalogueImage(id=word, path=Path(word), keywords={word: 1.0}) for word in words]


def misses(table: Any) -> dict[str, str]:
    return {miss.keyword.word: miss.reason.value for miss in table.near_misses}


def test_counts_share_idf_and_examples() -> None:
    """Songs, their share, occurrences, images, ln(1 + N / df), and songs with the line that holds the word."""
    table = find_keywords(songs("森林\n去森林", "没有", "看 森林", "啊"), images("森林", "森林"[::-1]))
    assert keyword_report(table) == {
        "songs": 4,
        "songs_without_keyword": 2,
        "images_without_keyword": 1,
        "keywords": [
            {
                "keyword": "森林",
                "songs": 2,
                "song_share": 0.5,
                "occurrences": 3,
                "images": 1,
                "idf": 1.098612,
                "examples": [
                    {"song": "0", "title": "歌0", "line": "森林"},
                    {"song": "2", "title": "歌2", "line": "看 森林"},
                ],
            }
        ],
        "near_misses": [],
        "keywords_without_images": [],
        "words_without_songs": ["林森"],
    }


def test_examples_are_spread_over_the_songs() -> None:
    """Of many songs the first, the middle and the last, so that an order in the file hides nothing."""
    [keyword] = find_keywords(songs(*(f"森林{number}" for number in range(7)))).keywords
    assert [example.song for example in keyword.examples] == ["0", "3", "6"]


def test_no_line_is_an_example_twice() -> None:
    """A refrain that many songs share is shown once, with the first of them."""
    [keyword] = find_keywords(songs("森林", "森林", "看森林", "森林")).keywords
    assert [(example.song, example.line) for example in keyword.examples] == [("0", "森林"), ("2", "看森林")]


def test_each_near_miss_has_its_reason() -> None:
    """Below the cut, in too few or too many songs, too seldom in all."""
    lyrics = ["森林 河流 沙漠 草原", "森林 河流 沙漠", "森林 河流 草原 草原", "森林 瀑布 瀑布 瀑布"]
    options = KeywordOptions(count=1, min_songs=2, max_song_share=0.75, min_occurrences=3)
    table = find_keywords(songs(*lyrics), options=options)
    assert [keyword.word for keyword in table.keywords] == ["河流"]
    assert misses(table) == {
        "草原": Miss.BELOW_CUT,
        "瀑布": Miss.TOO_FEW_SONGS,
        "森林": Miss.TOO_MANY_SONGS,
        "沙漠": Miss.TOO_FEW_OCCURRENCES,
    }


def test_words_that_lack_an_image_are_named() -> None:
    """Nouns that songs hold and no image bears are listed as far as an image would have made them keywords."""
    table = find_keywords(
        songs("森林 河流 沙漠", "森林 河流", "森林 沙漠 草原"), images("河流", "草原"), KeywordOptions(count=3)
    )
    assert [keyword.word for keyword in table.keywords] == ["河流", "草原"]
    assert table.keywords_without_images == ("森林", "沙漠")


def test_only_the_nearest_misses_are_listed() -> None:
    """A large vocabulary does not flood the report."""
    nouns = (
        "森林 河流 沙漠 草原 瀑布 湖泊 山谷 海洋 岛屿 天空 太阳 月亮 星星 云朵 彩虹 闪电 雪花 冰川 城市 村庄 街道 桥梁"
    )
    table = find_keywords(songs(nouns), options=KeywordOptions(count=1))
    assert len(misses(table)) == NEAR_MISSES


def test_a_catalogue_of_one_song() -> None:
    """One song makes keywords with weights above 0, and a report."""
    table = find_keywords(songs("森林里的雪"), images("森林", "雪"))
    assert all(use.weight > 0 for use in table.songs["0"])
    assert [row["song_share"] for row in keyword_report(table)["keywords"]] == [1.0, 1.0]


@pytest.fixture
def report() -> dict[str, Any]:
    table = find_keywords(songs("森林|河", "森林", "河流"), options=KeywordOptions(count=1))
    return keyword_report(table)


def test_the_report_as_json_and_csv(report: dict[str, Any], tmp_path: Path) -> None:
    """JSON holds the report itself; CSV a row for each word, with whether it is a keyword, as spreadsheets read it."""
    write_report(report, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == report
    write_report(report, tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["keyword"], row["status"], row["songs"]) for row in rows] == [
        ("森林", "keyword", "2"),
        ("河流", "below the cut", "1"),
    ]
    assert rows[0]["examples"] == "森林|河 (歌0)\n森林 (歌1)"


def test_the_report_as_markdown(report: dict[str, Any], tmp_path: Path) -> None:
    """A table of keywords and one for each reason; signs of Markdown in lyrics do not break it."""
    write_report(report, tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text("utf-8")
    assert "| 森林 | 2 | 66.7% | 2 | 0 | 0.92 | 森林\\|河 (歌0)<br>森林 (歌1) |" in text
    assert "## No keywords: below the cut" in text


def test_another_format_is_refused_before_any_work(tmp_path: Path) -> None:
    """The ending decides; one that is not known is a ConfigError, as is a folder that is not there."""
    with pytest.raises(ConfigError, match=r"ends in none of \.md, \.json, \.csv"):
        write_report({}, tmp_path / "r.xlsx")
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        write_report({}, tmp_path / "none" / "r.json")


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    rows = [
        {"id": "1", "title": "雪夜", "lyrics": "森林里下雪"},
        {"id": "2", "title": "空", "lyrics": ""},
        {"id": "3", "title": "夏", "lyrics": "沙漠和森林"},
    ]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path = tmp_path / "songs.jsonl"
    path.write_bytes(text.encode() + "\n{森林里的雪}\n".encode("gb18030"))
    return path


def test_the_verb_shows_keywords_without_building(catalogue: Path, tmp_path: Path) -> None:
    """Keywords, near misses and refused rows with reason and first line are on the screen; lists and limits work."""
    options = ["--songs", str(catalogue), "--allow", "雪", "--deny", "沙漠", "--keywords", "1"]
    shown = CliRunner(env={"COLUMNS": "160"}).invoke(
        command, ["keywords", *options, "--rejects", str(tmp_path / "rejects")]
    )
    assert shown.exit_code == 0, shown.output
    assert "2 rows taken, 2 refused" in shown.output
    assert "1 x empty lyrics (first in line 2)" in shown.output
    assert "1 x invalid UTF-8 (first in line 4)" in shown.output
    assert "森林里下雪 (雪夜)" in shown.output
    assert "No keywords: below the cut" in shown.output
    assert "沙漠 " not in shown.output
    entries = [json.loads(line) for line in (tmp_path / "rejects").read_text("utf-8").splitlines()]
    assert [(entry["source"], entry["line"], entry["reason"]) for entry in entries] == [
        (str(catalogue), 2, "empty lyrics"),
        (str(catalogue), 4, "invalid UTF-8"),
    ]


def test_the_verb_speaks_json_and_writes_files(catalogue: Path, tmp_path: Path) -> None:
    """--json has standard output to itself, and --out holds the same report."""
    out = tmp_path / "report.json"
    shown = CliRunner().invoke(command, ["keywords", "--songs", str(catalogue), "--json", "--out", str(out)])
    assert json.loads(shown.stdout) == json.loads(out.read_text("utf-8"))
    assert [row["keyword"] for row in json.loads(shown.stdout)["keywords"]] == ["森林", "沙漠"]
