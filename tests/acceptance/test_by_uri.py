"""Photos that requests name by uri, through real processes: from a folder and a web server, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_site import ImageSite, content, running_site

from songlens import AsyncClient, BadImage, BadRequest, Client, PhotoUri, Recommendation
from songlens_shared.broker import connect
from songlens_shared.keys import PartitionKeys

from .conftest import Model, System, running_system, songlens

TOKEN = "token=s3cr3t"


@pytest.fixture(scope="module")
def photo(model: Model) -> Path:
    return sorted((model.catalogue / "images").rglob("*.jpg"))[0]


@pytest.fixture(scope="module")
def site(photo: Path) -> Iterator[ImageSite]:
    with running_site() as running:
        running.answers["/photos/a.jpg"] = content(photo.read_bytes())
        yield running


@pytest.fixture(scope="module")
def fetching(
    tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None, model: Model, site: ImageSite
) -> Iterator[tuple[System, Path]]:
    """A system whose vision workers fetch from the catalogue's images and from the site; and where its logs are."""
    folder = tmp_path_factory.mktemp("fetching")
    images = (model.catalogue / "images").as_uri()
    settings = [f"uri_prefixes={images}/ {site.url('/photos/')}", "uri_private=true", "uri_timeout_s=3"]
    with running_system(folder, redis_server, model, *settings) as running:
        yield running, folder


def test_a_photo_by_uri_gets_the_same_songs(fetching: tuple[System, Path], site: ImageSite, photo: Path) -> None:
    """The same photo by bytes, by file:// and by http://, from both clients and the command, gets the same songs; the
    request itself is small; and no log holds the uri."""
    system, folder = fetching
    uris = [photo.as_uri(), site.url(f"/photos/a.jpg?{TOKEN}")]

    async def ask(uri: str) -> Recommendation:
        async with AsyncClient(system.url) as asynchronous:
            return await asynchronous.recommend(PhotoUri(uri))

    with Client(system.url) as client:
        expected = client.recommend(photo).songs
        assert len(expected) == 10
        for uri in uris:
            assert client.recommend(PhotoUri(uri)).songs == expected
            assert asyncio.run(ask(uri)).songs == expected
    sent = system.command("send", "--json", *uris)
    assert sent.returncode == 0, sent.stderr
    for line, uri in zip(map(json.loads, sent.stdout.splitlines()), uris, strict=True):
        assert line["photo"] == uri
        assert [song["id"] for song in line["songs"]] == [song.id for song in expected]
    shown = system.command("send", uris[1])
    assert (shown.returncode, "/photos/a.jpg" in shown.stdout, TOKEN in shown.stdout) == (0, True, False)
    assert site.asked()[f"/photos/a.jpg?{TOKEN}"] == 4
    for log in folder.glob("*.log"):
        assert not any(part in log.read_text("utf-8") for part in (TOKEN, photo.name, "/photos/"))


def test_what_is_not_allowed_or_not_there(fetching: tuple[System, Path], site: ImageSite, photo: Path) -> None:
    """Each fault has its code and says what to do, and the worker goes on."""
    system, folder = fetching
    with Client(system.url) as client:
        for uri in ("file:///etc/passwd", f"{photo.parent.as_uri()}/../../songs.jsonl", site.url("/elsewhere/a.jpg")):
            with pytest.raises(BadRequest, match="send the photo's bytes as image"):
                client.recommend(PhotoUri(uri))
        for uri in (f"{photo.parent.as_uri()}/none.jpg", site.url("/photos/none.jpg")):
            with pytest.raises(BadImage, match="could not be fetched"):
                client.recommend(PhotoUri(uri))
        assert client.recommend(PhotoUri(photo.as_uri())).songs
    assert "/elsewhere/a.jpg" not in site.asked()
    refused = system.command("send", site.url(f"/photos/none.jpg?{TOKEN}"))
    assert refused.returncode == 1
    assert "/photos/none.jpg: bad_image:" in refused.stderr
    assert TOKEN not in refused.stderr
    with connect(system.url) as connection:
        assert connection.xlen(PartitionKeys(0).dead) == 0
    assert "none.jpg" not in "".join(log.read_text("utf-8") for log in folder.glob("*.log"))


def test_a_bad_prefix_ends_the_worker() -> None:
    """With status 2 and how one looks, before it looks for a server."""
    ended = songlens("worker", "vision", "--redis", "redis://127.0.0.1:9", "--set", "uri_prefixes=cdn.example.com")
    assert ended.returncode == 2
    assert "https://cdn.example.com/photos/" in ended.stderr
