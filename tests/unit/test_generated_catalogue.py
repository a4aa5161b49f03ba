"""The generated catalogue is whole or absent, repeatable, and refuses nonsense."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from songlens_shared.errors import DataError
from songlens_training.generated import catalogue
from songlens_training.generated.catalogue import GeneratedOptions, generate
from songlens_training.generated.themes import THEMES

SMALL = GeneratedOptions(songs=20, images_per_theme=1, queries_per_theme=0)


def _ignore(done: int, total: int) -> None:
    """Take no notice of progress."""


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_counts_are_what_the_manifest_says(tmp_path: Path) -> None:
    """Rows, files and manifest agree, and progress ends at the total."""
    options = GeneratedOptions(songs=30, images_per_theme=1, queries_per_theme=1)
    seen: list[tuple[int, int]] = []
    generate(tmp_path / "made", options, lambda done, total: seen.append((done, total)), processes=1)
    made, themes = tmp_path / "made", options.themes
    manifest = json.loads((made / "catalogue.json").read_text(encoding="utf-8"))
    assert (manifest["format"], manifest["kind"]) == (1, "generated")
    assert (manifest["songs"], manifest["images"], manifest["queries"]) == (30, themes, themes)
    assert [len(_rows(made / f"{name}.jsonl")) for name in ("songs", "truth", "images", "queries")] == [
        30,
        30,
        themes,
        themes,
    ]
    listed = {str(row["path"]) for name in ("images", "queries") for row in _rows(made / f"{name}.jsonl")}
    assert listed == {path.relative_to(made).as_posix() for path in made.rglob("*.jpg")}
    assert seen == [(done, 30 + 2 * themes) for done in range(1, 31 + 2 * themes)]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two folders of the same options are equal byte for byte, whether one process paints or two; seeds differ."""
    options = GeneratedOptions(songs=20, images_per_theme=2, queries_per_theme=0)
    for name, chosen, processes in (("one", options, 1), ("two", options, 2)):
        generate(tmp_path / name, chosen, _ignore, processes=processes)
    generate(tmp_path / "other", GeneratedOptions(**{**SMALL.__dict__, "seed": 8}), _ignore, processes=1)
    one, two, other = (_files(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    differ = {name for name in other if one[name] != other[name]}
    assert differ >= {name for name in other if name.endswith(".jpg")} | {"songs.jsonl", "truth.jsonl"}


def test_a_larger_catalogue_begins_like_a_smaller_one(tmp_path: Path) -> None:
    """More songs and images leave those before as they were: ids keep their meaning as a catalogue grows."""
    generate(tmp_path / "small", SMALL, _ignore, processes=1)
    larger = GeneratedOptions(songs=25, images_per_theme=2, queries_per_theme=0)
    generate(tmp_path / "large", larger, _ignore, processes=1)
    small, large = _files(tmp_path / "small"), _files(tmp_path / "large")
    assert {name for name in small if name.endswith(".jpg") and small[name] != large[name]} == set()
    assert large["truth.jsonl"].startswith(small["truth.jsonl"])


def test_a_share_of_the_images_bears_another_keyword(tmp_path: Path) -> None:
    """About that share, never their own theme's; what the images show, and the photos' keywords, stay."""
    options = GeneratedOptions(themes=3, songs=9, images_per_theme=40)
    generate(tmp_path / "right", options, _ignore, processes=1)
    generate(tmp_path / "noisy", replace(options, mislabelled=0.25), _ignore, processes=1)
    right, noisy = _files(tmp_path / "right"), _files(tmp_path / "noisy")
    assert {name for name in right if right[name] != noisy[name]} == {"images.jsonl", "catalogue.json"}
    rows = [[json.loads(line) for line in files["images.jsonl"].splitlines()] for files in (right, noisy)]
    wrong = [(a, b) for a, b in zip(*rows, strict=True) if a != b]
    assert 0.15 * 120 < len(wrong) < 0.35 * 120
    assert all(a | {"keywords": b["keywords"]} == b for a, b in wrong)
    assert {b["keywords"][0] for _, b in wrong} == {theme.keyword for theme in THEMES[:3]}


def test_a_whole_catalogue_is_left_alone(tmp_path: Path) -> None:
    """The second call with the same options writes nothing."""
    generate(tmp_path / "made", SMALL, _ignore, processes=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    calls: list[int] = []
    generate(tmp_path / "made", SMALL, lambda done, _: calls.append(done), processes=1)
    assert (calls, {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}) == ([], before)


def test_other_options_replace_the_catalogue(tmp_path: Path) -> None:
    """Another size or seed is generated anew, and nothing of the old one stays."""
    generate(tmp_path / "made", GeneratedOptions(songs=20, images_per_theme=2, queries_per_theme=0), _ignore)
    generate(tmp_path / "made", SMALL, _ignore, processes=1)
    assert len(list((tmp_path / "made").rglob("*.jpg"))) == SMALL.themes


def test_an_interrupted_run_leaves_no_catalogue(tmp_path: Path) -> None:
    """Stopped half-way, it leaves neither the folder nor its unfinished copy; the catalogue before stays whole."""
    generate(tmp_path / "made", SMALL, _ignore, processes=1)
    before = _files(tmp_path / "made")

    def stop(done: int, total: int) -> None:
        if done == total - 3:
            raise KeyboardInterrupt

    for folder in ("made", "fresh"):
        with pytest.raises(KeyboardInterrupt):
            generate(tmp_path / folder, GeneratedOptions(songs=10, images_per_theme=1), stop, processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert _files(tmp_path / "made") == before


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    """A folder that holds anything but a generated catalogue is refused and untouched."""
    (tmp_path / "holiday.jpg").write_bytes(b"dear to someone")
    with pytest.raises(DataError, match="choose another folder"):
        generate(tmp_path, SMALL, _ignore)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"songs": 0},
        {"songs": -5},
        {"images_per_theme": 0},
        {"queries_per_theme": -1},
        {"songs": 2.5},
        {"songs": True},
        {"themes": 0},
        {"themes": len(THEMES) + 1},
        {"images": 35},
        {"mislabelled": 1.0},
        {"mislabelled": float("nan")},
        {"mislabelled": 0.1, "themes": 1},
    ],
    ids=str,
)
def test_nonsense_is_refused(tmp_path: Path, nonsense: dict[str, Any]) -> None:
    """Options that make no catalogue raise `DataError` that names the option, and write nothing."""
    with pytest.raises(DataError, match=next(iter(nonsense))):
        generate(tmp_path / "made", GeneratedOptions(**nonsense), _ignore)
    assert list(tmp_path.iterdir()) == []


def test_the_paper_size_is_planned_without_surprise() -> None:
    """At the paper's size exactly 33,459 images are planned, each with a path of its own, spread evenly over themes."""
    options = GeneratedOptions(songs=62_316, themes=len(THEMES), images=33_459, queries_per_theme=0)
    pictures = catalogue.planned(options)
    assert len({picture.path for picture in pictures}) == len(pictures) == 33_459
    counts = Counter(picture.theme for picture in pictures)
    assert set(counts) == set(range(len(THEMES)))
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_catalogue_of_few_themes_has_no_others(tmp_path: Path) -> None:
    """Songs and pictures are of the first themes alone, images exactly as many as asked for."""
    options = GeneratedOptions(songs=60, themes=3, images=7)
    generate(tmp_path / "made", options, _ignore, processes=1)
    made, first = tmp_path / "made", THEMES[:3]
    assert Counter(path.parent.name for path in (made / "images").rglob("*.jpg")) == dict(
        zip((theme.name for theme in first), (3, 2, 2), strict=True)
    )
    assert len(_rows(made / "queries.jsonl")) == 3
    planted = {keyword for row in _rows(made / "truth.jsonl") for keyword in cast("list[str]", row["themes"])}
    assert planted == {theme.keyword for theme in first}


def test_songs_of_the_default_options_never_change(tmp_path: Path) -> None:
    """Songs and truth of a seed are the same bytes in every release, however many themes are added."""
    generate(tmp_path / "made", GeneratedOptions(songs=200, images_per_theme=1, queries_per_theme=0), _ignore)
    made = [hashlib.sha256((tmp_path / "made" / name).read_bytes()) for name in ("songs.jsonl", "truth.jsonl")]
    assert [digest.hexdigest() for digest in made] == [
        "8849fa4000f6214c5bee1f8fd9f20b0fd07dd29eac9d4ca006643d824b9e6efa",
        "21b4270d9c68f6d12a00239c6926fa7a8d1eb612ca4df59174c4858856344c6d",
    ]
