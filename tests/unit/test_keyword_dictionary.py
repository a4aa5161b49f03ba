"""Texts are cut as jieba cuts them, by a dictionary that the user's words have joined."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songlens_training.keywords.candidates import Segmenter, Vocabulary
from songlens_training.keywords.dictionary import Dictionary, UserWord, is_word, load_dictionary

USER_WORDS = (UserWord("雪落", 50_000, "n"), UserWord("海边的信", None, None), UserWord("清华", 0, None))
PIECES = ("雪落", "海边", "的信", "清华", "大学", "研究生", "生命", "起源", "明月", "咖啡馆", "卡拉OK", "T恤", "AA制")


@cache
def ours() -> Dictionary:
    return load_dictionary(USER_WORDS, ["蒲公英的山坡"])


@cache
def ours_with_candidates() -> Segmenter:
    return Segmenter(Vocabulary(listed=frozenset({"雪", "山", "大学", "❄"}), min_length=1), ours())


@cache
def jiebas() -> Any:
    """jieba's own tokenizer, given the same words by its own means."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    for word, frequency, tag in USER_WORDS:
        if frequency == 0:
            tokenizer.FREQ[word] = 0
        else:
            tokenizer.add_word(word, frequency, tag)
    tokenizer.add_word("蒲公英的山坡")
    return tokenizer


characters = st.characters(codec="utf-8") | st.sampled_from("的一是不了人我在有他，。！ \n·❄aB9%-_山海雪月花风雨云")
texts = st.lists(st.sampled_from(PIECES) | characters, max_size=40).map("".join)


@given(texts)
@settings(deadline=None, max_examples=150)
def test_the_cut_is_that_of_jieba(text: str) -> None:
    """Token for token the same as `jieba.cut(text, HMM=False)`, whatever the text is made of."""
    assert ours().cut(text) == list(jiebas().cut(text, HMM=False))


@given(texts)
@settings(deadline=None, max_examples=100)
def test_a_latin_letter_changes_no_other_candidate(text: str) -> None:
    """Texts without Latin letters, whose tokens are not even made, give the same candidates as others."""
    segmenter = ours_with_candidates()
    found = segmenter.candidates(text)
    assert segmenter.candidates(f"{text}，q") == found
    tokens = list(jiebas().cut(text, HMM=False))
    assert [found.count(word) for word in ("雪", "❄")] == [
        sum(token == word or word in segmenter.parts(token) for token in tokens) for word in ("雪", "❄")
    ]


def test_real_lines_are_cut_as_jieba_cuts_them() -> None:
    """Lines in which many words compete for the same characters."""
    for line in (
        "研究生命起源的清华大学研究生在海边的信箱里",
        "结婚的和尚未结婚的乒乓球拍卖完了",
        "大江东去，浪淘尽，千古风流人物",
        "I love 卡拉OK and T恤2024年3月",
    ):
        assert ours().cut(line) == list(jiebas().cut(line, HMM=False))


def test_user_words_are_words() -> None:
    """A word is found with its frequency, or whole without one; a frequency of 0 takes a word away."""
    assert ours().cut("雪落海边的信") == ["雪落", "海边的信"]
    assert "清华" in load_dictionary().cut("清华的雪")
    assert ours().cut("清华的雪") == ["清", "华", "的", "雪"]


def test_tags_are_the_users_where_he_gives_one() -> None:
    """A tag of the user's dictionary takes the place of jieba's; without one, jieba's stays."""
    tags = load_dictionary([UserWord("森林", None, "v"), UserWord("河流", 9, None), UserWord("雪落", 9, None)]).tags
    assert (tags["森林"], tags["河流"], tags.get("雪落")) == ("v", "n", None)


def test_another_process_gets_the_same_dictionary() -> None:
    """Packed and unpacked it is equal, and still shares its numbers."""
    copy = Dictionary.unpacked(ours().packed())
    assert (copy.characters, copy.longer) == (ours().characters, ours().longer)
    assert (copy.unknown, copy.tags) == (ours().unknown, ours().tags)
    assert len(set(map(id, copy.longer.values()))) < 10_000


@pytest.mark.parametrize(
    ("text", "expected"), [("森林", True), ("T恤", True), ("a·b", False), ("冰 糖", False), ("", False)]
)
def test_what_can_be_a_word(text: str, expected: bool) -> None:
    """jieba cuts at white space and most signs, so that no entry with one is ever found."""
    assert is_word(text) is expected
