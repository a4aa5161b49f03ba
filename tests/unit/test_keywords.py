"""Keywords are found whole, inside compounds where they mean themselves, weighed by TF-IDF and explained by a line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from songlens_shared.errors import ConfigError, DataError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.graph.graph import VertexType, build_graph
from songlens_training.keywords import segmentation
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.selection import find_keywords
from songlens_training.keywords.table import KeywordTable, relevance


def song(lyrics: str, title: str = "啊", id: str = "") -> Song:
    return Song(id=id or lyrics, title=title, artist="", lyrics=lyrics)


def images(*words: str) -> list[CatalogueImage]:
    return [CatalogueImage(id=f"{word}.jpg", path=Path(f"{word}.jpg"), keywords={word: 1.0}) for word in words]


def words_of(lyrics: str, *borne: str, options: KeywordOptions | None = None) -> set[str]:
    """Return the keywords of one song where images bear the words `borne`; none is no error here."""
    anchor = song("".join(borne), id="anchor")
    table = find_keywords([song(lyrics, id="asked"), anchor], images(*borne), options)
    return {use.word for use in table.songs.get("asked", ())}


@pytest.mark.parametrize(
    ("lyrics", "borne", "expected"),
    [
        ("我在咖啡馆等你", {"咖啡"}, {"咖啡"}),
        ("风吹过蒲公英的山坡", {"蒲公英的山坡"}, {"蒲公英的山坡"}),
        ("床前明月光", {"月"}, {"月"}),
        ("举杯邀明月", {"月"}, {"月"}),
        ("雪山下雪", {"雪", "雪山"}, {"雪", "雪山"}),
        ("海棠依旧", {"海", "海棠"}, {"海棠"}),
        ("三月的上海", {"月", "海"}, set()),
        ("花费岁月", {"花", "月"}, set()),
        ("雨和星星", {"雨", "星"}, {"雨", "星"}),
    ],
)
def test_words_that_images_bear_are_found(lyrics: str, borne: set[str], expected: set[str]) -> None:
    """A borne word comes out whole and from inside a compound, but not where the compound means another thing."""
    assert words_of(lyrics, *sorted(borne)) == expected


def test_a_part_counts_only_once_beside_the_word_itself() -> None:
    """A compound that is itself a keyword does not count for the keywords inside it."""
    [use] = find_keywords([song("雪山", id="a"), song("雪", id="b")], images("雪", "雪山")).songs["a"]
    assert use.word == "雪山"


def test_without_images_nouns_are_the_candidates() -> None:
    """Nouns of two characters or more; verbs, numbers, stop words and single characters are none, unless allowed."""
    lyrics = "我们走过森林看见一个湖，时候还早，山被云遮住"
    table = find_keywords([song(lyrics)])
    assert {keyword.word for keyword in table.keywords} == {"森林"}
    allowed = find_keywords([song(lyrics)], options=KeywordOptions(allow=frozenset("山湖")))
    assert {keyword.word for keyword in allowed.keywords} == {"森林", "山", "湖"}


def test_the_keywords_of_most_songs_are_kept() -> None:
    """`count` cuts by number of songs, not by how often one song repeats a word."""
    songs = [song("雪雪雪雪雪 山"), song("山 海"), song("海 山")]
    table = find_keywords(songs, images("雪", "山", "海"), KeywordOptions(count=2))
    assert [(keyword.word, keyword.songs, keyword.images) for keyword in table.keywords] == [("山", 3, 1), ("海", 2, 1)]


def test_limits_and_deny_list() -> None:
    """A keyword outside the limits on songs, or denied, is not kept."""
    songs = [song("雪 山"), song("山 海"), song("山 海 云")]
    limits = KeywordOptions(min_songs=2, max_song_share=0.7)
    borne = images("雪", "山", "海", "云")
    assert [keyword.word for keyword in find_keywords(songs, borne, limits).keywords] == ["海"]
    denied = KeywordOptions(deny=frozenset("山海"))
    assert {keyword.word for keyword in find_keywords(songs, borne, denied).keywords} == {"雪", "云"}


def test_weight_is_tf_idf() -> None:
    """(1 + ln tf) ln(1 + N / df), with the title counted as a line."""
    songs = [song("雪落\n雪停", title="雪", id="a"), song("山", id="b"), song("山", id="c")]
    table = find_keywords(songs, images("雪", "山"))
    assert table.songs["a"][0].weight == pytest.approx((1 + math.log(3)) * math.log(1 + 3 / 1))
    assert table.songs["b"][0].weight == pytest.approx(math.log(1 + 3 / 2))
    assert relevance(1, 10, 10) > 0  # a keyword that every song has still ties


def test_each_keyword_is_explained_by_its_first_line() -> None:
    """The excerpt is the first lyric line with the keyword; the title only where no line has it."""
    table = find_keywords([song("\n 风起 \n雪落在山上\n雪停", title="海", id="a")], images("雪", "海"))
    assert {use.word: use.line for use in table.songs["a"]} == {"雪": "雪落在山上", "海": "海"}


def test_titles_can_be_left_out() -> None:
    """Where titles name tunes, they make no keyword."""
    table = find_keywords([song("雪", title="山", id="a")], images("雪", "山"), KeywordOptions(titles=False))
    assert [use.word for use in table.songs["a"]] == ["雪"]


def test_what_is_left_out_is_counted() -> None:
    """Songs and images without keyword, keywords without image and image words without song are all reported."""
    songs = [song("雪", id="a"), song("啊", id="b"), song("湖", id="c")]
    table = find_keywords(songs, images("雪", "火"), KeywordOptions(allow=frozenset("湖")))
    assert set(table.songs) == {"a"}
    assert set(table.images) == {"雪.jpg"}
    assert (table.songs_without_keyword, table.images_without_keyword) == (2, 1)
    assert (table.keywords_without_images, table.words_without_songs) == (("湖",), ("火",))


def test_the_table_makes_a_graph() -> None:
    """Its weights are the edges of the tripartite graph."""
    table = find_keywords([song("雪山", id="a"), song("雪", id="b")], images("雪"))
    graph = build_graph(table.graph_weights())
    assert sorted(vertex.key for vertex in graph.vertices if vertex.type is VertexType.SONG) == ["a", "b"]
    assert len(graph.weights) == 3


def test_no_keyword_left_is_an_error_that_says_why() -> None:
    """Where no song holds a word of an image, the message names such words."""
    with pytest.raises(DataError, match=r"no song holds a word that images bear .*雪"):
        find_keywords([song("山")], images("雪"))
    with pytest.raises(DataError, match="no noun"):
        find_keywords([song("啊")])


@pytest.mark.parametrize(
    "options",
    [
        KeywordOptions(count=0),
        KeywordOptions(max_song_share=0),
        KeywordOptions(allow=frozenset("雪"), deny=frozenset("雪")),
    ],
)
def test_options_out_of_range_are_refused(options: KeywordOptions) -> None:
    """Contradicting options are a ConfigError before any work is done."""
    with pytest.raises(ConfigError):
        find_keywords([song("雪")], options=options)


def test_processes_change_nothing_but_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes give the same table as one, and progress ends at the number of songs."""
    songs = [song("雪落山上" if number % 3 else "海上明月", id=str(number)) for number in range(1200)]
    borne = images("雪", "山", "海", "月")
    calls: list[tuple[int, int]] = []

    def table(processes: int) -> KeywordTable:
        return find_keywords(songs, borne, processes=processes, progress=lambda *call: calls.append(call))

    alone = table(1)
    monkeypatch.setattr(segmentation, "PARALLEL_FROM_CHARACTERS", 0)
    assert table(2) == alone
    assert calls == [(500, 1200), (1000, 1200), (1200, 1200)] * 2


def test_jieba_global_state_is_untouched() -> None:
    """Catalogue words live in a tokenizer of our own: another user of jieba in the process sees none of them."""
    import jieba

    find_keywords([song("蒲公英的山坡")], images("蒲公英的山坡"))
    assert not jieba.dt.initialized
    assert "蒲公英的山坡" not in jieba.dt.FREQ
