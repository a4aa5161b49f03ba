"""Words come from files and from the command line; a bad line is named by file and number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from songlens_shared.errors import ConfigError, DataError
from songlens_training.catalogue.songs import Song
from songlens_training.commands.options.keywords import KeywordFlags
from songlens_training.keywords.dictionary import UserWord
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.selection import find_keywords
from songlens_training.keywords.word_files import read_user_dictionary, read_word_list


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def keywords_of(lyrics: str, options: KeywordOptions) -> set[str]:
    table = find_keywords([Song(id="a", title="啊", artist="", lyrics=lyrics)], options=options)
    return {keyword.word for keyword in table.keywords}


def test_a_list_has_one_word_a_line(tmp_path: Path) -> None:
    """Comments, blank lines, a byte-order mark and Windows line ends are no words."""
    path = written(tmp_path / "allow.txt", "\ufeff山\r\n# 海\r\n\r\n  雪  # 冬天\r\n山\r\n")
    assert read_word_list(path) == {"山", "雪"}


def test_a_user_dictionary_is_in_jiebas_format(tmp_path: Path) -> None:
    """Word, frequency and tag, the latter two optional; a later line comes later."""
    path = written(tmp_path / "words.txt", "雪原 300 n\n极光\n星轨 nz\n\n沙海\t7\nC# 3 eng\n")
    assert read_user_dictionary(path) == (
        UserWord("雪原", 300, "n"),
        UserWord("极光", None, None),
        UserWord("星轨", None, "nz"),
        UserWord("沙海", 7, None),
        UserWord("C#", 3, "eng"),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("雪原 many n", "the frequency 'many' is not a whole number"),
        ("雪原 -3", "'-3' is neither a frequency nor a part of speech"),
        ("雪原 3 N", "'N' is neither a frequency nor a part of speech"),
        ("雪原 3 n x", "'雪原 3 n x' is not `word [frequency] [tag]`"),
        ("雪原 3 4", "'雪原 3 4' is not `word [frequency] [tag]`"),
        ("雪·原 3", "'雪·原' holds a character at which jieba always cuts"),
    ],
)
def test_bad_dictionary_lines_are_named(tmp_path: Path, line: str, problem: str) -> None:
    """The message says which file, which line and what is wrong."""
    path = written(tmp_path / "words.txt", f"极光 3 n\n{line}\n")
    with pytest.raises(DataError) as error:
        read_user_dictionary(path)
    assert error.value.message == f"{path}, line 2: {problem}."


def test_several_bad_lines_are_named_together(tmp_path: Path) -> None:
    """The first five by line, the others by number."""
    path = written(tmp_path / "deny.txt", b"\xff\n" + "山 海\n".encode() * 6)
    with pytest.raises(DataError) as error:
        read_word_list(path)
    assert error.value.message.startswith(f"{path}, line 1: not UTF-8; line 2: '山 海' is more than one word; line 3: ")
    assert error.value.message.endswith("; and 2 more.")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The sentence has the path."""
    with pytest.raises(DataError, match=r"none\.txt cannot be read: No such file"):
        read_word_list(tmp_path / "none.txt")


def test_the_command_line_gathers_words_from_everywhere(tmp_path: Path) -> None:
    """Repeated options and files add up; what is not given is the default."""
    allow, deny = written(tmp_path / "allow", "山\n"), written(tmp_path / "deny", "东西\n")
    words = [written(tmp_path / "a", "极光 n\n"), written(tmp_path / "b", "星轨 n\n")]
    given = KeywordFlags(
        keywords=9, allow=["雪"], allow_file=[allow], deny_file=[deny], dictionary=words, tag=["v"], min_songs=2
    )
    assert given.options() == KeywordOptions(
        count=9,
        allow=frozenset("雪山"),
        deny=frozenset({"东西"}),
        user_words=(UserWord("极光", None, "n"), UserWord("星轨", None, "n")),
        tags=frozenset("v"),
        min_songs=2,
    )
    assert KeywordFlags().options() == KeywordOptions()
    with pytest.raises(ConfigError, match="both allowed and denied: 山"):
        KeywordFlags(allow_file=[allow], deny=["山"]).options()


def test_options_survive_a_manifest() -> None:
    """What a build was made with can be had back from its configuration, to treat new songs alike."""
    options = KeywordOptions(
        count=5,
        allow=frozenset("山海"),
        user_words=(UserWord("极光", 3, "n"), UserWord("星轨", None, None)),
        folding=False,
    )
    assert KeywordOptions.from_config(json.loads(json.dumps(options.as_config()))) == options


def test_words_of_a_user_dictionary_become_keywords_by_their_tag() -> None:
    """A noun of the user's is a candidate; a word of another part of speech is cut out whole and is none."""
    lyrics = "蓝焰落在雪原"
    assert keywords_of(lyrics, KeywordOptions()) == {"雪原"}
    words = (UserWord("蓝焰", None, "n"), UserWord("在雪原", 1_000_000, "v"))
    assert keywords_of(lyrics, KeywordOptions(user_words=words)) == {"蓝焰"}


def test_parts_of_speech_can_be_chosen() -> None:
    """With the tag of verbs, verbs are the candidates."""
    assert keywords_of("在森林奔跑", KeywordOptions(tags=frozenset("v"))) == {"奔跑"}


def test_single_characters_are_keywords_where_they_are_allowed() -> None:
    """山, 海 and 雪 carry meaning in lyrics: allowed, they are found alone and within other words."""
    lyrics = "海滩和雪，森林"
    assert keywords_of(lyrics, KeywordOptions(allow=frozenset("海雪"))) == {"海滩", "海", "雪", "森林"}
    assert keywords_of(lyrics, KeywordOptions()) == {"海滩", "森林"}
