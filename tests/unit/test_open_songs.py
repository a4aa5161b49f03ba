"""Rows of the poetry package become songs with stable ids, telling titles and popularity."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from open_archives import make_songs

from songlens_training.open_data.songs import Songbook, read_songs, split_qu_title


@pytest.fixture
def book(tmp_path: Path) -> Songbook:
    """The songs of a small archive."""
    return read_songs(make_songs(tmp_path / "songs.tgz"))


def test_titles_and_ids(book: Songbook) -> None:
    """A tune that its author uses twice carries the opening words; a play's name leads the title; ids count rows."""
    assert [(song.id, song.title, song.artist) for song in book.songs] == [
        ("ci.00000", "浣溪沙 (一曲新词酒一杯)", "晏殊"),
        ("ci.00001", "浣溪沙 (淡淡梳妆薄薄衣)", "晏殊"),
        ("ci.00002", "水调歌头 (明月几时有)", "苏轼"),
        ("ci.00003", "点绛唇", "王炎"),
        ("qu.00000", "杀狗记・红绣鞋", "徐田臣"),
        ("qu.00001", "尾 (我是个蒸不烂)", "关汉卿"),
    ]


def test_lyrics_have_one_sentence_a_line(book: Songbook) -> None:
    """The lyrics are the sung sentences, also where the source ran the first of them into the title."""
    assert book.songs[0].lyrics == "一曲新词酒一杯。\n去年天气旧亭台。"
    assert book.songs[5].lyrics == "我是个蒸不烂、煮不熟，响当当一粒铜豌豆，恁子弟每。"


def test_popularity_is_the_logarithm_of_all_hits(book: Songbook) -> None:
    """Hits are joined by author and tune, the first count to the first song; what nobody counted has none."""
    popularity = {song.id: song.popularity for song in book.songs}
    assert popularity["ci.00000"] == pytest.approx(math.log1p(1000), abs=1e-3)
    assert popularity["ci.00001"] == pytest.approx(math.log1p(1), abs=1e-3)
    assert popularity["ci.00002"] == 0
    assert popularity["ci.00003"] is None
    assert popularity["qu.00000"] is None


def test_what_cannot_be_used_is_counted(book: Songbook) -> None:
    """Fragments, texts full of lacunae, and a second copy of one text are left out and reported."""
    assert book.dropped == {"duplicate": 2, "fragment": 1, "lacunae": 1}


def test_a_title_without_sentences_is_left_whole() -> None:
    """Only a remainder with sentence punctuation is taken for lyrics."""
    assert split_qu_title("诈妮子调风月・仙吕/点绛唇") == ("诈妮子调风月・仙吕/点绛唇", "")
    assert split_qu_title("尾・我是个蒸不烂，") == ("尾", "我是个蒸不烂，")
