"""Every image source keeps one contract: a folder per keyword, manifests of each kind, and Openverse's search."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_site import ImageSite, openverse, picture, result, running_site
from manual_clock import ManualClock

from songlens_training.catalogue.tables import RejectLog
from songlens_training.collect.listed import read_listed
from songlens_training.collect.openverse import MemoryPages, Openverse, OpenverseOptions
from songlens_training.collect.sources import Candidate, ImageSource
from songlens_training.collect.web import Web, WebOptions

SNOW, SEA = 5, 3
"""Good images that each source has for 雪花 and 大海; beside them there is something that is no candidate."""


@dataclass(frozen=True)
class Opened:
    source: ImageSource
    rejects: RejectLog


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"path": f"{number}.jpg", "keywords": {"雪花": 1.0 + number}, "licence": "CC BY 4.0", "attribution": "A. P."}
        for number in range(SNOW - 1)
    ]
    rows += [
        {"url": f"http://photos.example/{number}.jpg", "keywords": {"大海": 1.0}, "licence": "CC0"}
        for number in range(SEA)
    ]
    rows.append({"url": "http://photos.example/both.jpg", "keywords": {"雪花": 9.0}, "title": "both"})
    # The same place again, with another keyword, and twice for the same one.
    rows.append({"url": "http://photos.example/both.jpg", "keywords": {"雪花": 1.0}})
    rows += [{"url": "ftp://photos.example/x.jpg", "keywords": {"雪花": 1.0}}, {"keywords": {"雪花": 1.0}}]
    return rows


def _write_files(folder: Path) -> None:
    for number in range(SNOW - 1):
        (folder / f"{number}.jpg").write_bytes(picture(number))


@asynccontextmanager
async def folder_source(tmp_path: Path, rejects: RejectLog) -> AsyncIterator[ImageSource]:
    for keyword, count in (("雪花", SNOW), ("大海", SEA)):
        (tmp_path / keyword).mkdir()
        for number in range(count):
            (tmp_path / keyword / f"{number}.jpg").write_bytes(picture(number))
    (tmp_path / "雪花" / "notes.txt").write_text("no image")
    yield read_listed(tmp_path, rejects)


def manifest(suffix: str, write: Callable[[Path, list[dict[str, Any]]], None]) -> Any:
    @asynccontextmanager
    async def source(tmp_path: Path, rejects: RejectLog) -> AsyncIterator[ImageSource]:
        _write_files(tmp_path)
        write(tmp_path / f"list{suffix}", _rows())
        yield read_listed(tmp_path / f"list{suffix}", rejects)

    return source


def _write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")


def _write_separated(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = ["path", "url", "keywords", "licence", "attribution", "title"]
    lines = [columns]
    for row in rows:
        words = "|".join(f"{word}:{weight}" for word, weight in row["keywords"].items())
        lines.append([words if column == "keywords" else row.get(column, "") for column in columns])
    separator = "\t" if path.suffix == ".tsv" else ","
    path.write_text("\n".join(separator.join(line) for line in lines) + "\n", "utf-8")


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    columns: dict[str, Any] = {
        name: pa.array([row.get(name) for row in rows], pa.string())
        for name in ("path", "url", "licence", "attribution", "title")
    }
    pairs = [list(row["keywords"].items()) for row in rows]
    columns["keywords"] = pa.array(pairs, pa.map_(pa.string(), pa.float64()))
    pq.write_table(pa.table(columns), path)


@asynccontextmanager
async def openverse_source(tmp_path: Path, rejects: RejectLog) -> AsyncIterator[ImageSource]:
    snow = [result(number, f"http://photos.example/snow/{number}.jpg") for number in range(SNOW)]
    sea = [result(100 + number, f"http://photos.example/sea/{number}.jpg", license="cc0") for number in range(SEA)]
    bad = [result(200, "ftp://photos.example/x.jpg"), result(201, "http://photos.example/x.svg", filetype="svg")]
    with running_site() as site:
        site.answers["/v1/images/"] = openverse({"snow": [*snow[:2], *bad, snow[0], *snow[2:]], "sea": sea})
        async with opened_openverse(site, rejects, page_size=3) as source:
            yield source


@asynccontextmanager
async def opened_openverse(site: ImageSite, rejects: RejectLog, page_size: int) -> AsyncIterator[Openverse]:
    async with Web(WebOptions(allow_private=frozenset({"127.0.0.1"})), clock=ManualClock()) as web:
        yield Openverse(
            web,
            OpenverseOptions(base_url=site.address, page_size=page_size),
            queries={"雪花": ("snow",), "大海": ("sea",), "沙漠": ("desert",)},
            pages=MemoryPages(),
            rejects=rejects,
        )


SOURCES = {
    "folder": folder_source,
    "jsonl": manifest(".jsonl", _write_jsonl),
    "csv": manifest(".csv", _write_separated),
    "tsv": manifest(".tsv", _write_separated),
    "parquet": manifest(".parquet", _write_parquet),
    "openverse": openverse_source,
}


@pytest.fixture(params=SOURCES)
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """Each source in turn, with its reject log."""
    async with AsyncExitStack() as stack:
        rejects = stack.enter_context(RejectLog())
        source = await stack.enter_async_context(SOURCES[request.param](tmp_path, rejects))
        yield Opened(source, rejects)


async def candidates(source: ImageSource, keyword: str) -> list[Candidate]:
    return [candidate async for candidate in source.candidates(keyword)]


async def test_every_candidate_bears_the_keyword(opened: Opened) -> None:
    """All good images of a keyword are offered, and no others; each bears it with a weight above 0."""
    for keyword, count in (("雪花", SNOW), ("大海", SEA)):
        found = await candidates(opened.source, keyword)
        assert len(found) == count
        assert all(candidate.keywords[keyword] > 0 for candidate in found)


async def test_the_best_come_first_and_the_order_stays(opened: Opened) -> None:
    """Weights never rise from one candidate to the next, and asking again gives the same candidates."""
    found = await candidates(opened.source, "雪花")
    weights = [candidate.keywords["雪花"] for candidate in found]
    assert weights == sorted(weights, reverse=True)
    assert await candidates(opened.source, "雪花") == found


async def test_every_place_is_one_that_can_be_fetched(opened: Opened) -> None:
    """A place is an existing file or an http URL, and comes once for a keyword."""
    for keyword in ("雪花", "大海"):
        found = await candidates(opened.source, keyword)
        assert len({candidate.place for candidate in found}) == len(found)
        for candidate in found:
            if candidate.path is not None:
                assert candidate.path.is_file()
            else:
                assert candidate.place.startswith(("http://", "https://"))


async def test_what_is_no_candidate_is_refused_by_reason(opened: Opened) -> None:
    """Rows and results that are no images are in the reject log, under the source's name."""
    await candidates(opened.source, "雪花")
    summary = opened.rejects.summary(opened.source.name)
    assert summary.refused_rows >= 1
    assert summary.accepted >= SNOW
    assert all(summary.refused)


async def test_a_keyword_without_images(opened: Opened) -> None:
    """A word that the source has nothing for gives no candidates and no error."""
    assert await candidates(opened.source, "沙漠") == []


async def test_keywords_are_known_or_any_can_be_searched(opened: Opened) -> None:
    """A list names its keywords in its own order; a search engine names none."""
    searches = isinstance(opened.source, Openverse)
    assert list(opened.source.keywords()) == ([] if searches else opened.source.keywords())
    assert set(opened.source.keywords()) == (set() if searches else {"雪花", "大海"})


async def test_every_candidate_names_its_source(opened: Opened) -> None:
    """Where an image came from is never empty, for it is stored in the catalogue."""
    for candidate in await candidates(opened.source, "雪花"):
        assert candidate.source


async def test_openverse_gives_licence_and_attribution(tmp_path: Path) -> None:
    """All that a user of the image must say about it is kept: licence and its link, credit line, title, page."""
    with RejectLog() as rejects:
        async with openverse_source(tmp_path, rejects) as source:
            first, *_ = await candidates(source, "雪花")
            [cc0, *_] = await candidates(source, "大海")
    assert first == Candidate(
        keywords={"雪花": 1.0},
        source="photos",
        url="http://photos.example/snow/0.jpg",
        licence="CC BY 4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        attribution='"Photo 0" by A. Photographer is licensed under CC BY 4.0.',
        creator="A. Photographer",
        title="Photo 0",
        landing_page="https://photos.example/0",
    )
    assert cc0.licence == "CC0 4.0"
