"""The songs of the generated catalogue hold exactly the keywords that were planted in them."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Callable

import pytest

from songlens_training.generated.lyrics import common_lines, filled, popularity, slot_words, song, verses
from songlens_training.generated.themes import THEMES

KEYWORDS = [theme.keyword for theme in THEMES]
SONGS = [song(7, number, number + 1, len(THEMES)) for number in range(3000)]


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """jieba with its default dictionary, guessing no words; its cache is written to a folder of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has invalid escapes
        import jieba
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(tmp_path_factory.mktemp("jieba"))
    return lambda text: tokenizer.lcut(text, HMM=False)


def test_every_theme_is_named_once_and_has_lines_of_its_own() -> None:
    """There are at least 24 themes with unlike keywords and names, each with at least eight lines, 60 lines of none."""
    assert len(THEMES) >= 24
    assert len(set(KEYWORDS)) == len({theme.name for theme in THEMES}) == len(THEMES)
    assert {heading: len(set(lines)) >= 8 for heading, lines in verses("themes.txt").items()} == dict.fromkeys(
        KEYWORDS, True
    )
    assert len(set(common_lines())) == len(common_lines()) >= 60


def test_no_line_holds_the_keyword_of_another_theme() -> None:
    """Lines of a theme hold its keyword once and no other; common lines, fillers and titles hold none."""
    for heading, lines in verses("themes.txt").items():
        for line in lines:
            assert [keyword for keyword in KEYWORDS for _ in range(line.count(keyword))] == [heading], line
    loose = [*common_lines(), *(word for words in slot_words().values() for word in words)]
    loose += [title for kind in ("title", "theme_title") for title in verses("names.txt")[kind]]
    assert [text for text in loose if any(keyword in text for keyword in KEYWORDS)] == []


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_jieba_finds_the_keyword_as_one_word(keyword: str, cut: Callable[[str], list[str]]) -> None:
    """Whatever fills the slots around it, a keyword is cut out whole."""
    assert cut(keyword) == [keyword]
    dice = random.Random(3)
    titles = [title.replace("{theme}", keyword) for title in verses("names.txt")["theme_title"]]
    for line in [*verses("themes.txt")[keyword], *titles]:
        for _ in range(25):
            text = filled(line, dice)
            assert keyword in cut(text), text


def test_a_keyword_stands_in_a_song_exactly_if_it_was_planted(cut: Callable[[str], list[str]]) -> None:
    """Cut by jieba, title and lyrics hold the keywords of the song's themes and no others."""
    for made in SONGS:
        words = set(cut(made.title + "\n" + made.lyrics))
        assert words & set(KEYWORDS) == set(made.themes)


def test_songs_have_the_promised_shape() -> None:
    """8 to 12 unlike lines; the primary theme in 2 to 4 of them, each other theme in one; 1 to 3 themes."""
    for made in SONGS:
        lines = made.lyrics.split("\n")
        assert 8 <= len(lines) <= 12
        assert len(set(lines)) == len(lines)
        assert "{" not in made.title + made.artist + made.lyrics
        assert 2 <= sum(made.themes[0] in line for line in lines) <= 4
        assert [sum(theme in line for line in lines) for theme in made.themes[1:]] == [1] * (len(made.themes) - 1)
    sizes = Counter(len(made.themes) for made in SONGS)
    assert set(sizes) == {1, 2, 3}
    assert 0.45 < (sizes[2] + sizes[3]) / len(SONGS) < 0.55


def test_themes_are_about_equally_frequent() -> None:
    """No theme is primary in less than half or more than double its share of songs."""
    share = len(SONGS) / len(THEMES)
    counts = Counter(made.themes[0] for made in SONGS)
    assert all(share / 2 < counts[keyword] < share * 2 for keyword in KEYWORDS)


def test_songs_differ_and_repeat_by_seed() -> None:
    """Every song has lyrics of its own; the same seed makes it again, another seed another."""
    assert len({made.lyrics for made in SONGS}) == len(SONGS)
    assert song(7, 11, 12, len(THEMES)) == SONGS[11]
    assert song(8, 11, 12, len(THEMES)).lyrics != SONGS[11].lyrics


def test_popularity_follows_zipf() -> None:
    """The best known song leads by far, the tail is long and never zero."""
    assert popularity(1) == 1_000_000
    assert popularity(10) == pytest.approx(1_000_000 / 10**0.9, rel=1e-3)
    assert popularity(10_000_000) == 1
