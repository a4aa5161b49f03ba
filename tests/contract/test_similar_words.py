"""What every source of similar words keeps to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from songlens_training.evaluate.similar.conceptnet import ConceptNet
from songlens_training.evaluate.similar.source import Fold, SimilarWords
from songlens_training.evaluate.similar.thesaurus import Group, Thesaurus
from songlens_training.evaluate.similar.word_vectors import WordVectors

TRADITIONAL = {"雲": "云", "愛": "爱"}


def fold(word: str) -> str:
    return "".join(TRADITIONAL.get(character, character) for character in word)


def conceptnet(folder: Path, fold: Fold) -> SimilarWords:
    """雪 is a synonym of 白雪, then related to 冰, 冬 and 云; 海 is related to 洋."""
    pairs = [
        ("Synonym", "雪", "白雪"),
        ("RelatedTo", "雪", "冰"),
        ("RelatedTo", "雪", "冬"),
        ("AtLocation", "雪", "雲"),
        ("RelatedTo", "海", "洋"),
        ("RelatedTo", "雪", "雪"),
    ]
    weights = [1.0, 3.0, 2.0, 9.0, 1.0, 5.0]
    path = folder / "assertions.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for (relation, start, end), weight in zip(pairs, weights, strict=True):
            uris = (f"/r/{relation}", f"/c/zh/{start}", f"/c/zh/{end}")
            file.write("\t".join([f"/a/[{','.join(uris)}]", *uris, json.dumps({"weight": weight})]) + "\n")
    return ConceptNet(path, fold=fold)


def word_vectors(folder: Path, fold: Fold) -> SimilarWords:
    """The same order by falling cosine; 雲 stands beside 云, as one word."""
    angles = {"雪": 0.0, "白雪": 0.1, "冰": 0.2, "冬": 0.3, "雲": 0.4, "云": 0.41, "海": 3.0, "洋": 3.1}
    vectors = np.array([[np.cos(a), np.sin(a)] for a in angles.values()], np.float32)
    return WordVectors(list(angles), vectors, fold=fold)


def thesaurus(folder: Path, fold: Fold) -> SimilarWords:
    """白雪 in one group with 雪, 冰 and 冬 in the next, 雲 in the next but one; 海 and 洋 are of another class."""
    return Thesaurus(
        [
            Group(("B", "f", "01", "A", "01="), ("雪", "白雪")),
            Group(("B", "f", "01", "A", "02="), ("冰", "冬")),
            Group(("B", "f", "01", "B", "01="), ("雲",)),
            Group(("B", "e", "05", "A", "01="), ("海", "洋")),
        ],
        fold=fold,
    )


@pytest.fixture(params=[conceptnet, word_vectors, thesaurus], ids=lambda make: make.__name__)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> SimilarWords:
    make: Callable[[Path, Fold], SimilarWords] = request.param
    return make(tmp_path, fold)


def test_most_similar_words_come_first(source: SimilarWords) -> None:
    """Every source ranks the same made truth in the same order, folded, each word once and never the word itself."""
    assert source.similar(["雪"], 4)["雪"] == ("白雪", "冰", "冬", "云")


def test_a_lower_limit_gives_a_beginning_of_the_list(source: SimilarWords) -> None:
    """What is right for few similar words must be right for more."""
    longest = source.similar(["雪"], 4)["雪"]
    for limit in (1, 2, 3):
        assert source.similar(["雪"], limit)["雪"] == longest[:limit]


def test_a_word_that_is_not_known_is_left_out(source: SimilarWords) -> None:
    """Unknown words are told from known ones by their absence, and do not disturb the others."""
    found = source.similar(["雪", "没有"], 2)
    assert set(found) == {"雪"} and len(found["雪"]) == 2
    assert dict(source.similar([], 5)) == {}


def test_the_word_asked_for_may_be_traditional(source: SimilarWords) -> None:
    """A word is found in whichever script it is asked for, and given back as it was asked for."""
    assert "雪" in source.similar(["雲"], 5)["雲"]


def test_the_same_question_has_the_same_answer(source: SimilarWords) -> None:
    """Asked twice, and with the words in another order."""
    once = source.similar(["雪", "海"], 3)
    assert dict(once) == dict(source.similar(["海", "雪"], 3)) == dict(source.similar(["雪", "海"], 3))
    assert source.name
