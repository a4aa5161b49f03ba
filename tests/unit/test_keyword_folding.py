"""Traditional and simplified characters meet, and what is shown stays as it was written."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.errors import ConfigError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.keywords.dictionary import UserWord
from songlens_training.keywords.folding import fold, traditional_characters
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.selection import find_keywords


def image(id: str, **keywords: float) -> CatalogueImage:
    return CatalogueImage(id=id, path=Path(id), keywords=keywords)


def song(lyrics: str, title: str = "啊", id: str = "a") -> Song:
    return Song(id=id, title=title, artist="", lyrics=lyrics)


@cache
def opencc() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("愛在雲上", "爱在云上"),
        ("乾燥的風", "干燥的风"),
        ("乾坤萬里", "乾坤万里"),
        ("後來的皇后", "后来的皇后"),
        ("頭髮與出發", "头发与出发"),
        ("這裡下雪\n那裏颳風", "这里下雪\n那里刮风"),
    ],
)
def test_one_character_may_stand_for_many(traditional: str, simplified: str) -> None:
    """Conversion goes by phrases: 乾, 後 and 髮 become what they mean where they stand; lines stay lines."""
    assert fold(traditional) == simplified


def test_simplified_text_is_left_alone() -> None:
    """Taken for traditional, 打坏 (to break) would be 打坯 (to form clay): without a sign of it nothing is folded."""
    assert opencc().convert("打坏") == "打坯"
    for text in ("打坏了杯子", "皇后在后面", "乒乓 love ❄"):
        assert fold(text) is text


TRADITIONAL = st.sampled_from(sorted(traditional_characters()))
SHARED = st.characters(exclude_characters=frozenset(traditional_characters()), codec="utf-8")


@given(st.text(SHARED), TRADITIONAL, st.text(SHARED | TRADITIONAL))
def test_folding_is_openccs_wherever_there_is_a_traditional_character(before: str, sign: str, after: str) -> None:
    """With one such character a text is converted as a whole by OpenCC, without one it is the very same text."""
    assert fold(before) is before
    text = before + sign + after
    assert fold(text) == opencc().convert(text) != text
    assert fold(text).count("\n") == text.count("\n")


def test_traditional_lyrics_meet_simplified_keywords() -> None:
    """愛 in a lyric and 爱 on an image are one keyword; the title and the line are shown as the author wrote them."""
    songs = [song("風起了\n\n雲海翻湧", title="森林裡的愛"), song("白云", id="b")]
    table = find_keywords(songs, [image("1", 云海=1.0), image("2", 愛=0.5), image("3", 雲=1.0)])
    assert {use.word: use.line for use in table.songs["a"]} == {"云海": "雲海翻湧", "爱": "森林裡的愛"}
    assert [use.word for use in table.songs["b"]] == ["云"]
    assert table.images == {"1": {"云海": 1.0}, "2": {"爱": 0.5}, "3": {"云": 1.0}}


def test_a_title_of_several_lines_shifts_no_line() -> None:
    """The excerpt is the right line whatever line breaks a title has."""
    table = find_keywords([song("風起\n愛在心裡", title="\n雲\n\n海\n")], [image("1", 爱=1.0)])
    assert table.songs["a"][0].line == "愛在心裡"


def test_two_spellings_on_one_image_are_one_keyword() -> None:
    """An image that bears 愛 and 爱 bears the keyword once, with the greater weight."""
    table = find_keywords([song("愛")], [image("1", 愛=0.25, 爱=0.75), image("2", 爱=0.5, 愛=0.25)])
    assert table.images == {"1": {"爱": 0.75}, "2": {"爱": 0.5}}
    assert [keyword.images for keyword in table.keywords] == [2]


def test_the_users_words_are_folded_too() -> None:
    """Dictionaries and lists may be in either spelling."""
    options = KeywordOptions(
        user_words=(UserWord("飛雪連天", None, "n"),), allow=frozenset({"龍"}), deny=frozenset({"馬車"})
    )
    table = find_keywords([song("飞雪连天，马车与龙")], options=options)
    assert {keyword.word for keyword in table.keywords} == {"飞雪连天", "龙"}


def test_contradictions_show_after_folding() -> None:
    """龍 allowed and 龙 denied is the contradiction that it is."""
    with pytest.raises(ConfigError, match="both allowed and denied: 龙"):
        find_keywords([song("龙")], options=KeywordOptions(allow=frozenset("龍"), deny=frozenset("龙")))


def test_folding_can_be_switched_off() -> None:
    """Without folding, only what is written is found."""
    songs = [song("愛在雲上"), song("爱", id="b")]
    table = find_keywords(songs, [image("1", 爱=1.0), image("2", 雲=1.0)], KeywordOptions(folding=False))
    assert {id: [use.word for use in uses] for id, uses in table.songs.items()} == {"a": ["雲"], "b": ["爱"]}
