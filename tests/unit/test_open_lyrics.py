"""What is sung, and nothing else, is kept of an edition's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_training.open_data.lyrics import LACUNA, count_characters, mend, sung_lines


def test_each_sentence_becomes_a_line() -> None:
    """A lyric has one sentence a line, with its punctuation."""
    assert sung_lines("明月几时有？把酒问青天。不知天上宫阙，今夕是何年。") == [
        "明月几时有？",
        "把酒问青天。",
        "不知天上宫阙，今夕是何年。",
    ]


@pytest.mark.parametrize(
    ("text", "sung"),
    [
        ("（末云了）（正旦唱）温良恭俭行忠信。", "温良恭俭行忠信。"),
        ("着小孩儿每，(带云)这铜钱呵，(唱)吵吵闹闹斗争相戏。", "着小孩儿每，吵吵闹闹斗争相戏。"),
        ("大雪冤。(做拜科)好风吹。", "大雪冤。好风吹。"),
        ("［老旦］蒙错爱，为眷属。(合前)。", "蒙错爱，为眷属。"),
        ("天地混沌初开。(末白)休道是个妮子。(生)月上柳梢头。", "天地混沌初开。月上柳梢头。"),
        ("花间一壶酒。(正旦云)小姐呵，夫人来也。", "花间一壶酒。"),
    ],
)
def test_directions_and_speech_are_left_out(text: str, sung: str) -> None:
    """Stage directions go, and so does what is spoken between `says` and `sings`."""
    assert "".join(sung_lines(text)) == sung


def test_a_sentence_left_without_words_is_no_line() -> None:
    """Punctuation that stood behind a direction does not become an empty line."""
    assert sung_lines("今朝！。(正末唱)。") == ["今朝！"]


def test_garbled_characters_become_lacunae() -> None:
    """A rare character that the source garbled or described is shown as missing, and not as what it became."""
    assert mend("荼コ香<贝覃>背\ufffd") == f"荼{LACUNA}香{LACUNA}背{LACUNA}"
    assert mend("诈妮子调风月・混江龙") == "诈妮子调风月・混江龙"


@given(st.text(alphabet="月花(（）)唱云旦。！？，、［］ \n"))
def test_any_text_gives_clean_lines(text: str) -> None:
    """Whatever the brackets look like, no line has a bracket or a line break, and every line has a character."""
    for line in sung_lines(text):
        assert not set(line) & set("()（）［］\n")
        assert count_characters(line) > 0
