"""Embeddings come back from their files, and word2vec text is what other tools expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from songlens_shared.errors import DataError
from songlens_training.embedding.vectors import (
    Embedding,
    read_word2vec,
    write_word2vec,
)
from songlens_training.graph.graph import Vertex, VertexType


@pytest.fixture
def embedding() -> Embedding:
    """Three vertices in four dimensions; one key has a space, a line break and a percent sign in it."""
    vertices = [
        Vertex(VertexType.KEYWORD, "雪"),
        Vertex(VertexType.SONG, "100% a\nb\u3000c"),
        Vertex(VertexType.SONG, "2"),
    ]
    numbers = np.random.default_rng(1).standard_normal((2, 3, 4), dtype=np.float32)
    return Embedding(vertices=vertices, vectors=numbers[0], contexts=numbers[1])


def test_of_type(embedding: Embedding) -> None:
    """Keys and vectors of one type, in the graph's order."""
    keys, vectors = embedding.of_type(VertexType.SONG)
    assert keys == ["100% a\nb\u3000c", "2"]
    assert np.array_equal(vectors, embedding.vectors[1:])


def test_word2vec_text_comes_back_exactly(embedding: Embedding, tmp_path: Path) -> None:
    """Nine digits hold a float32, and a name never breaks its line."""
    write_word2vec(embedding, tmp_path / "ne.txt")
    vertices, vectors = read_word2vec(tmp_path / "ne.txt")
    assert vertices == embedding.vertices
    assert np.array_equal(vectors, embedding.vectors)


def test_word2vec_text_is_in_the_form_that_gensim_reads(embedding: Embedding, tmp_path: Path) -> None:
    """A header of two numbers, then one name and D numbers a line, split by single spaces."""
    write_word2vec(embedding, tmp_path / "ne.txt")
    header, *lines = (tmp_path / "ne.txt").read_text("utf-8").split("\n")[:-1]
    assert header == "3 4"
    assert [len(line.split(" ")) for line in lines] == [5, 5, 5]
    assert lines[0].startswith("keyword:雪 ")


@pytest.mark.parametrize(
    ("content", "line"),
    [("", 1), ("many\n", 1), ("1 2\nsong:1 0.5\n", 2), ("1 2\nsong:1 1 2\nsong:2 1 2\n", 3)],
)
def test_damaged_word2vec_text_is_named_by_line(tmp_path: Path, content: str, line: int) -> None:
    """A header or line of another form is a DataError with its number."""
    (tmp_path / "ne.txt").write_text(content, "utf-8")
    with pytest.raises(DataError, match=f"line {line}"):
        read_word2vec(tmp_path / "ne.txt")


def test_cut_word2vec_text_is_refused(tmp_path: Path) -> None:
    """Fewer vectors than the header promises: the file was cut short."""
    (tmp_path / "ne.txt").write_text("2 1\nsong:1 0.5\n", "utf-8")
    with pytest.raises(DataError, match="ends after 1 of 2"):
        read_word2vec(tmp_path / "ne.txt")
