"""The lexicon joins the names of emoji to words of lyrics."""

from __future__ import annotations

import pytest

from songlens_shared.errors import DataError
from songlens_training.open_data.emoji import Emoji
from songlens_training.open_data.lexicon import (
    TAG_RELEVANCE,
    parse_lexicon,
    read_lexicon,
    relevances,
    songs_by_keyword,
)


def _emoji(code: str, label: str, *tags: str) -> Emoji:
    return Emoji(id=code, sign="?", label=label, tags=tags, picture=f"{code}.png")


MOONS = [
    _emoji("A", "满月", "月亮"),
    _emoji("B", "赏月", "月亮", "节日"),
    _emoji("C", "月饼", "月亮"),
    _emoji("D", "猫"),
]


def test_a_label_says_more_than_a_tag() -> None:
    """A label that names the keyword has relevance 1, a tag less, and an emoji left out none."""
    result = relevances(MOONS, parse_lexicon("月\tmoon\t满月 月亮 -月饼"))
    assert result["A"] == {"月": 1.0}
    assert 0 < result["B"]["月"] < TAG_RELEVANCE
    assert "C" not in result
    assert "D" not in result


def test_a_tag_of_many_images_says_less() -> None:
    """The relevance of a tag falls with the number of images that show its keyword, and stays above zero."""
    entry = parse_lexicon("月\tmoon\t月亮")
    few = relevances([_emoji("A", "满月", "月亮")], entry)["A"]["月"]
    many = relevances([_emoji(str(n), "满月", "月亮") for n in range(1000)], entry)["0"]["月"]
    assert few == TAG_RELEVANCE
    assert 0 < many < few


def test_the_lexicon_of_the_package_is_sound() -> None:
    """Every keyword appears once, has a meaning, is Chinese, and both names and leaves out different emoji."""
    entries = read_lexicon()
    keywords = [entry.keyword for entry in entries]
    assert len(keywords) == len(set(keywords)) > 100
    for entry in entries:
        assert entry.meaning.isascii()
        assert entry.meaning
        assert not entry.keyword.isascii()
        assert entry.names
        assert not entry.names & entry.excluded


@pytest.mark.parametrize("line", ["月", "月\tmoon", "月\tmoon\t", "月\tmoon\t月亮\tmore"])
def test_a_malformed_line_is_named(line: str) -> None:
    """A line without its three columns is refused with its number."""
    with pytest.raises(DataError, match="Line 2"):
        parse_lexicon(f"# head\n{line}\n")


def test_keywords_are_counted_once_a_song() -> None:
    """A song that repeats a keyword counts once."""
    counts = songs_by_keyword(parse_lexicon("月\tmoon\t月亮\n雪\tsnow\t雪花"), ["月月月", "山月", "花"])
    assert counts["月"] == 2
    assert counts["雪"] == 0
