"""Query images have a keyword and are in no part of the catalogue."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from songlens_shared.errors import ConfigError, DataError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.tables import RejectLog
from songlens_training.evaluate.queries import (
    QueryImage,
    heaviest,
    hold_out,
    queries_of,
    read_queries,
    without_copies,
)


def images(folder: Path, sizes: dict[str, int]) -> list[CatalogueImage]:
    """Return so many images of each keyword, every file another content of the same size."""
    made = []
    for keyword, count in sizes.items():
        for number in range(count):
            path = folder / f"{keyword}-{number}.jpg"
            path.write_bytes(f"{keyword}{number:06}".encode())
            made.append(CatalogueImage(id=path.name, path=path, keywords={keyword: 1.0}))
    return made


def test_every_keyword_gives_its_share(tmp_path: Path) -> None:
    """A fifth of each keyword, one at least where there are two, none of a single image; nothing is lost or doubled."""
    given = images(tmp_path, {"雪": 50, "海": 20, "山": 2, "云": 1})
    split = hold_out(given, 0.2, seed=1)
    assert Counter(heaviest(image.keywords) for image in split.held_out) == {"雪": 10, "海": 4, "山": 1}
    kept, held = ([image.id for image in part] for part in split)
    assert sorted(kept + held) == sorted(image.id for image in given)
    assert not set(kept) & set(held)


def test_the_seed_decides_which_are_held_out(tmp_path: Path) -> None:
    """The same seed holds out the same images, another seed others."""
    given = images(tmp_path, {"雪": 40, "海": 40})
    held = [[image.id for image in hold_out(given, 0.25, seed).held_out] for seed in (1, 1, 2)]
    assert held[0] == held[1] != held[2]


def test_an_image_that_is_there_twice_is_never_held_out(tmp_path: Path) -> None:
    """Its copy would be found in the index."""
    given = images(tmp_path, {"雪": 3, "海": 3})
    for image in given[:4]:
        image.path.write_bytes(b"the same file")
    for seed in range(10):
        assert not {image.id for image in given[:4]} & {image.id for image in hold_out(given, 0.5, seed).held_out}


def test_impossible_shares_are_refused(tmp_path: Path) -> None:
    """A share that is none, and a catalogue that has nothing to spare."""
    for share in (0.0, 1.0, -1.0):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            hold_out(images(tmp_path, {"雪": 2}), share, seed=1)
    with pytest.raises(DataError, match="No image can be held out"):
        hold_out(images(tmp_path, {"雪": 1, "海": 1}), 0.5, seed=1)


def test_a_held_out_image_stands_for_its_heaviest_keyword_of_the_model(tmp_path: Path) -> None:
    """Keywords that the model does not have do not count; an image with none of them is no query image."""
    held = [
        CatalogueImage(id="a", path=tmp_path, keywords={"雪": 0.5, "冬": 2.0, "山": 0.5}),
        CatalogueImage(id="b", path=tmp_path, keywords={"冬": 1.0}),
    ]
    assert queries_of(held, {"雪", "山"}) == [QueryImage(id="a", path=tmp_path, keyword="山")]


def test_keywords_are_read_in_simplified_characters(tmp_path: Path) -> None:
    """雲 of an image or of a file is 云, as in lyrics; the model may write its keyword either way."""
    held = [CatalogueImage(id="a", path=tmp_path, keywords={"雲": 1.0})]
    assert [query.keyword for query in queries_of(held, {"云"})] == ["云"]
    assert [query.keyword for query in queries_of(held, {"雲"})] == ["云"]
    [image] = images(tmp_path, {"雪": 1})
    path = tmp_path / "queries.csv"
    path.write_text(f"path,keyword\n{image.path.name},雲\n", encoding="utf-8")
    assert [query.keyword for query in read_queries(path, RejectLog())] == ["云"]


def test_rows_without_keyword_or_file_are_refused(tmp_path: Path) -> None:
    """Counted by reason; the others are read."""
    [image] = images(tmp_path, {"雪": 1})
    rows = [
        {"path": image.path.name, "keyword": "雪", "title": "snow"},
        {"path": image.path.name + ".no", "keyword": "雪"},
        {"path": "x.jpg", "keyword": None},
        {"path": "x.jpg"},
        {"keyword": "雪"},
    ]
    path = tmp_path / "queries.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    rejects = RejectLog()
    assert read_queries(path, rejects) == [QueryImage(id=image.path.name, path=image.path, keyword="雪")]
    assert rejects.summary(str(path)).refused == {
        "query image without keyword": 2,
        "image file missing": 1,
        "missing path": 1,
    }
    path.write_text(json.dumps(rows[2]), encoding="utf-8")
    with pytest.raises(DataError, match="query image without keyword"):
        read_queries(path, RejectLog())


def test_copies_of_catalogue_images_are_left_out(tmp_path: Path) -> None:
    """By content, under whatever name; files that have gone from the catalogue are passed over."""
    catalogue = images(tmp_path, {"雪": 3})
    (tmp_path / "copy.jpg").write_bytes(catalogue[1].path.read_bytes())
    (tmp_path / "new.jpg").write_bytes(b"another photo")
    queries = [QueryImage(id=name, path=tmp_path / name, keyword="雪") for name in ("copy.jpg", "new.jpg")]
    files = [image.path for image in catalogue] + [tmp_path / "gone.jpg"]
    assert [query.id for query in without_copies(queries, files)] == ["new.jpg"]
