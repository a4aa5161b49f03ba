"""Keyword lists and tables of queries are read from every form that people have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from songlens_shared.errors import DataError
from songlens_training.catalogue.tables import RejectLog
from songlens_training.collect.wanted import read_keywords, read_queries


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("k.txt", "\ufeff雪花\n\n 大海 \n雪花\n"),
        ("k.list", "雪花\n大海\n"),
        ("k.csv", "keyword,songs\n雪花,3\n大海,4\n雪花,5\n"),
        ("k.jsonl", '{"keyword": "雪花"}\n{"keyword": "大海"}\n'),
    ],
)
def test_keywords(tmp_path: Path, name: str, text: str) -> None:
    """A text file has one keyword a line, a table a column of them; each counts once, in the order of the file."""
    (tmp_path / name).write_text(text, "utf-8")
    with RejectLog() as rejects:
        assert read_keywords(tmp_path / name, rejects) == ["雪花", "大海"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.csv", "keyword,query\n雪花,snow\n大海,sea\n雪花,snowflake\n雪花,snow\n"),
        ("q.tsv", "query\tnote\tkeyword\nsnow\tx\t雪花\nsea\tx\t大海\nsnowflake\tx\t雪花\n"),
        (
            "q.jsonl",
            "\n".join(
                json.dumps({"keyword": keyword, "query": query})
                for keyword, query in [("雪花", "snow"), ("大海", "sea"), ("雪花", "snowflake")]
            ),
        ),
    ],
)
def test_queries(tmp_path: Path, name: str, text: str) -> None:
    """A keyword may have several queries, in the order of the table; other columns do not matter."""
    (tmp_path / name).write_text(text, "utf-8")
    with RejectLog() as rejects:
        assert read_queries(tmp_path / name, rejects) == {"雪花": ("snow", "snowflake"), "大海": ("sea",)}


def test_bad_rows_of_a_table_are_counted(tmp_path: Path) -> None:
    """A row without keyword or query is refused by reason, the others are taken."""
    (tmp_path / "q.csv").write_text("keyword,query\n雪花,snow\n大海,\n,sea\n", "utf-8")
    with RejectLog() as rejects:
        assert read_queries(tmp_path / "q.csv", rejects) == {"雪花": ("snow",)}
        assert rejects.summary(str(tmp_path / "q.csv")).refused == {"missing query": 1, "missing keyword": 1}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("k.txt", " \n", "names no keyword"),
        ("k.csv", "keyword\n", "names no keyword"),
        ("k.csv", "word,songs\n雪花,3\n", "has the columns word, songs; `keyword` must be among them"),
        ("absent.txt", None, "cannot be read: No such file"),
        ("absent.csv", None, "does not exist"),
        ("k.txt", "雪花".encode("gb18030"), "is not UTF-8 text"),
    ],
)
def test_unusable_keyword_lists(tmp_path: Path, name: str, text: str | bytes | None, sentence: str) -> None:
    """An empty list, a table without the column and a file that cannot be read each have a sentence."""
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with RejectLog() as rejects, pytest.raises(DataError, match=sentence):
        read_keywords(tmp_path / name, rejects)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("word,translation\n雪花,snow\n", "the columns word, translation; `keyword` and `query` must be among them"),
        ("keyword\n雪花\n", "the columns keyword; `keyword` and `query` must be among them"),
        ("", "has no row with a keyword and a query"),
    ],
)
def test_unusable_tables_of_queries(tmp_path: Path, text: str, sentence: str) -> None:
    """A table with other columns names those it has; one without a usable row says so."""
    (tmp_path / "q.csv").write_text(text, "utf-8")
    with RejectLog() as rejects, pytest.raises(DataError, match=sentence):
        read_queries(tmp_path / "q.csv", rejects)
