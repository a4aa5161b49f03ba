"""Catalogue images are read from a folder per keyword or a manifest, with every entry checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from songlens_shared.errors import DataError
from songlens_training.catalogue.images import CatalogueImage, read_images
from songlens_training.catalogue.tables import RejectLog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one image file, whose content is not looked at."""
    (tmp_path / "a.jpg").write_bytes(b"pixels")
    return tmp_path


def read(path: Path) -> tuple[list[CatalogueImage], dict[str, int]]:
    with RejectLog() as log:
        images = list(read_images(path, log))
        return images, dict(log.summary(str(path)).refused)


def manifest(folder: Path, *rows: Any) -> Path:
    path = folder / "images.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_a_folder_per_keyword(tmp_path: Path) -> None:
    """The subfolder's name is the keyword, deeper folders too; other files are refused and hidden ones ignored."""
    for name in ("雪/1.jpg", "雪/more/2.PNG", "海/3.webp", "海/notes.txt", "loose.jpg", "海/.DS_Store"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"pixels")
    images, refused = read(tmp_path)
    assert {image.id: dict(image.keywords) for image in images} == {
        "雪/1.jpg": {"雪": 1.0},
        "雪/more/2.PNG": {"雪": 1.0},
        "海/3.webp": {"海": 1.0},
    }
    assert refused == {"not an image file": 1, "image without keyword": 1}
    assert all(image.path.is_file() for image in images)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [(["雪", "山"], {"雪": 1.0, "山": 1.0}), ({"雪": 0.5}, {"雪": 0.5}), ("雪|山:0.25", {"雪": 1.0, "山": 0.25})],
)
def test_forms_of_keywords(folder: Path, keywords: Any, expected: dict[str, float]) -> None:
    """A list, a mapping to weights, and the CSV form all give keyword -> weight; the id defaults to the path."""
    [image], _ = read(manifest(folder, {"path": "a.jpg", "keywords": keywords}))
    assert dict(image.keywords) == expected
    assert (image.id, image.path) == ("a.jpg", folder / "a.jpg")


def test_csv_and_parquet_manifests(folder: Path) -> None:
    """CSV, and Parquet with list, map or struct columns, say the same as JSONL."""
    (folder / "i.csv").write_text("path,keywords,licence\na.jpg,雪|山:0.5,CC0\n", "utf-8")
    map_type = pa.map_(pa.string(), pa.float64())
    columns = {"path": ["a.jpg"], "licence": ["CC0"]}
    pairs = pa.array([[("雪", 1.0), ("山", 0.5)]], map_type)
    pq.write_table(pa.table({**columns, "keywords": pairs}), folder / "map.parquet")
    struct = pa.array([{"雪": 1.0, "山": 0.5, "海": None}])
    pq.write_table(pa.table({**columns, "keywords": struct}), folder / "struct.parquet")
    for name in ("i.csv", "map.parquet", "struct.parquet"):
        [image], refused = read(folder / name)
        assert (dict(image.keywords), image.licence, refused) == ({"雪": 1.0, "山": 0.5}, "CC0", {})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"keywords": ["雪"]}, "missing path"),
        ({"path": "b.jpg", "keywords": ["雪"]}, "image file missing"),
        ({"path": "empty.jpg", "keywords": ["雪"]}, "image file empty"),
        ({"path": "a.jpg", "id": "x"}, "image without keyword"),
        ({"path": "a.jpg", "id": "x", "keywords": [" "]}, "image without keyword"),
        ({"path": "a.jpg", "id": "x", "keywords": 5}, "keywords are neither a list nor a mapping"),
        ({"path": "a.jpg", "id": "x", "keywords": [5]}, "keyword is not text"),
        ({"path": "a.jpg", "id": "x", "keywords": {"雪": 0}}, "keyword weight is not a number > 0"),
        ({"path": "a.jpg", "id": "x", "keywords": {"雪": -1}}, "keyword weight is not a number > 0"),
        ('{"path": "a.jpg", "id": "x", "keywords": {"雪": NaN}}', "keyword weight is not a number > 0"),
        ({"path": "a.jpg", "id": "x", "keywords": {"雪": True}}, "keyword weight is not a number > 0"),
        ({"path": "a.jpg", "keywords": ["雪"]}, "duplicate id"),
        ("{", "unreadable JSON"),
    ],
)
def test_a_bad_row_is_refused_by_reason(folder: Path, row: Any, reason: str) -> None:
    """Each fault of a manifest row has its own reason, and the good row beside it is kept."""
    (folder / "empty.jpg").touch()
    images, refused = read(manifest(folder, {"path": "a.jpg", "keywords": ["雪"]}, row))
    assert (len(images), refused) == (1, {reason: 1})


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    """A folder that holds no image is a DataError and no empty catalogue."""
    (tmp_path / "雪").mkdir()
    with pytest.raises(DataError, match="no usable row: it is empty"):
        read(tmp_path)
