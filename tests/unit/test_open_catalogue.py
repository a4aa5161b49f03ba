"""The open catalogue is whole, repeatable, and never replaces what it has not made."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from open_archives import drawing, make_packages
from PIL import Image

from songlens_shared.errors import ConfigError, DataError
from songlens_training.open_data.archives import read_members
from songlens_training.open_data.catalogue import OpenOptions, build, is_complete
from songlens_training.open_data.emoji import draw
from songlens_training.open_data.packages import Packages
from songlens_training.open_data.selection import HELD_OUT, choose_images
from songlens_training.progress import silent

OPTIONS = OpenOptions(min_songs=1)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder that holds every archive already, so nothing is fetched."""
    return tmp_path / "cache"


@pytest.fixture
def packages(cache: Path) -> Packages:
    """The pins of the archives in `cache`."""
    return make_packages(cache)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_catalogue_has_the_agreed_format(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """Songs, images with weighted keywords and licence, and queries are there, and the counts are true."""
    folder = tmp_path / "catalogues" / "open"
    build(folder, cache, OPTIONS, silent, packages=packages)
    about = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
    songs, images, queries = (_rows(folder / f"{name}.jsonl") for name in ("songs", "images", "queries"))
    assert (about["format"], about["kind"]) == (1, "open")
    assert (about["songs"], about["images"], about["queries"]) == (len(songs), len(images), len(queries))
    assert about["songs"] == 6
    assert {row["id"]: set(row["keywords"]) for row in images} == {
        "emoji.1F315": {"月"},
        "emoji.1F319": {"月"},
        "emoji.1F338": {"花"},
        "emoji.1F37B": {"酒"},
    }
    assert all(row["licence"] and row["attribution"] and row["source"] for row in images)
    assert "popularity" in songs[0]
    assert "popularity" not in songs[-1]
    for row in [*images, *queries]:
        with Image.open(folder / row["path"]) as picture:
            picture.load()
    assert "Apache-2.0" in (folder / "LICENCES.md").read_text(encoding="utf-8")


def test_no_query_is_a_catalogue_image(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """An emoji kept as query is not among the images, while its keyword still has images."""
    folder = tmp_path / "open"
    build(folder, cache, OPTIONS, silent, packages=packages)
    emoji = [row for row in _rows(folder / "queries.jsonl") if "photographs" not in row["path"]]
    images = _rows(folder / "images.jsonl")
    assert [(row["path"], row["keyword"]) for row in emoji] == [("queries/1F316.png", "月")]
    assert "emoji.1F316" not in {row["id"] for row in images}
    assert any("月" in row["keywords"] for row in images)


def test_a_photograph_has_only_keywords_in_use(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """A photo of a thing that no catalogue image bears is sent without a keyword."""
    folder = tmp_path / "open"
    build(folder, cache, OPTIONS, silent, packages=packages)
    photographs = [row for row in _rows(folder / "queries.jsonl") if "photographs" in row["path"]]
    assert len(photographs) == 20
    assert {row["keyword"] for row in photographs} == {None}


def test_the_same_options_give_the_same_bytes(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """Two builds with equal options are equal file by file, also where songs are drawn by chance."""
    options = replace(OPTIONS, songs=4, seed=3)
    for name in ("one", "two"):
        build(tmp_path / name, cache, options, silent, packages=packages)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")
    assert len(_rows(tmp_path / "one" / "songs.jsonl")) == 4


def test_a_complete_catalogue_is_not_made_again(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """A second build reads no archive; other options build anew and leave nothing beside the folder."""
    folder = tmp_path / "catalogues" / "open"
    build(folder, cache, OPTIONS, silent, packages=packages)
    (cache / "songs.tgz").rename(cache / "hidden")
    build(folder, cache, OPTIONS, silent, packages=packages)
    (cache / "hidden").rename(cache / "songs.tgz")
    other = replace(OPTIONS, songs=3)
    build(folder, cache, other, silent, packages=packages)
    assert is_complete(folder, other, packages)
    assert not is_complete(folder, OPTIONS, packages)
    assert [path.name for path in folder.parent.iterdir()] == ["open"]


def test_a_failed_build_leaves_the_old_catalogue(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """When no keyword is left, the error says so, and what was there before is untouched."""
    folder = tmp_path / "open"
    build(folder, cache, OPTIONS, silent, packages=packages)
    before = _digests(folder)
    with pytest.raises(DataError, match="No keyword is in 99"):
        build(folder, cache, replace(OPTIONS, min_songs=99), silent, packages=packages)
    assert _digests(folder) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("content", [{"notes.txt": "mine"}, {"catalogue.json": '{"kind": "generated"}'}])
def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, cache: Path, packages: Packages, content: dict[str, str]
) -> None:
    """A folder with other files, or another kind of catalogue, is refused and keeps its files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(text)
    with pytest.raises(DataError, match="something else"):
        build(folder, cache, OPTIONS, silent, packages=packages)
    assert {path.name: path.read_text() for path in folder.iterdir()} == content


def test_a_damaged_archive_in_the_cache_is_refused(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """A cached archive that is not the pinned one is named, with what to do, before anything is read from it."""
    (cache / "songs.tgz").write_bytes(b"cut off")
    with pytest.raises(DataError, match=r"songs\.tgz is not the pinned songs 1\.0\.0.*Delete"):
        build(tmp_path / "open", cache, OPTIONS, silent, packages=packages)
    assert not (tmp_path / "open").exists()


def test_progress_ends_at_its_total(tmp_path: Path, cache: Path, packages: Packages) -> None:
    """Every step that was begun is reported finished, and never goes back or past its total."""
    calls: list[tuple[str, int, int]] = []
    build(tmp_path / "open", cache, OPTIONS, lambda *call: calls.append(call), packages=packages)
    last = {description: (done, total) for description, done, total in calls}
    assert last
    assert all(done == total > 0 for done, total in last.values())
    for description in last:
        counts = [done for step, done, _ in calls if step == description]
        assert counts == sorted(counts)


def test_an_emoji_is_drawn_on_white() -> None:
    """The drawing is in the middle of a white square of the size asked for, without transparency."""
    picture = draw(drawing(), 256)
    assert (picture.size, picture.mode) == ((256, 256), "RGB")
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert picture.getpixel((128, 128)) == (255, 0, 0)


def test_few_images_are_dealt_to_all_keywords() -> None:
    """With a limit, each keyword gets its most relevant image before any gets a second."""
    shown = {
        "a": {"月": 0.5},
        "b": {"月": 1.0},
        "c": {"月": 0.9},
        "d": {"雪": 0.3},
        "e": {"花": 1.0, "山": 0.2},
    }
    assert set(choose_images(shown, 3)) == {"b", "d", "e"}
    assert choose_images(shown, None) == shown


def test_held_out_emoji_show_different_things() -> None:
    """No two queries stand for the same keyword."""
    assert max(Counter(HELD_OUT.values()).values()) == 1


def test_a_member_cannot_choose_where_it_is_written(tmp_path: Path) -> None:
    """A member that climbs out of the archive is only ever a name to look up; links are not read."""
    archive = tmp_path / "evil.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        climbing = tarfile.TarInfo("../../outside")
        climbing.size = 4
        tar.addfile(climbing, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("package/emoji.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    assert list(read_members(archive, lambda name: name.startswith("package/"))) == []
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tgz"]


@pytest.mark.parametrize("name", ["cut.tgz", "cut.whl"])
def test_an_unreadable_archive_is_a_data_error(tmp_path: Path, name: str) -> None:
    """A file that is no archive is named in the error."""
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08 not an archive")
    with pytest.raises(DataError, match=name):
        list(read_members(tmp_path / name, lambda _: True))


@pytest.mark.parametrize("field", ["songs", "images", "min_songs", "image_pixels"])
def test_options_out_of_range_are_refused(field: str) -> None:
    """A size of nothing is refused when the options are made."""
    with pytest.raises(ConfigError, match=field):
        OpenOptions(**{field: 0})
