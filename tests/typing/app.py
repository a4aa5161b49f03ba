"""Typical code of an app, which mypy must accept in its strict mode as it stands (test_typing.py)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import assert_type

from PIL.Image import Image

from songlens import (
    AsyncClient,
    AsyncHandle,
    Client,
    DeadlineExceeded,
    Handle,
    NeighbourImage,
    Personal,
    Photo,
    PhotoFeatures,
    PhotoUri,
    QueueFull,
    Received,
    Recommendation,
    RequestError,
    RequestOptions,
    Song,
    SonglensError,
)


def titles(photo: Photo) -> list[str]:
    """The ten lines of a web handler."""
    with Client("redis://localhost", name="shop", partitions=2) as client:
        try:
            recommendation = client.recommend(photo, top_k=5, user="u1", user_weight=0.5, timeout_s=2.5)
        except QueueFull as error:
            time.sleep(error.retry_after_ms / 1000)
            return []
        except DeadlineExceeded:
            return []
        except RequestError as error:
            return [error.code, error.message]
        assert_type(recommendation, Recommendation)
        assert_type(recommendation.songs, tuple[Song, ...])
        assert_type(recommendation.images[0], NeighbourImage)
        assert_type(recommendation.personal, Personal | None)
        assert_type(recommendation.cached, bool)
        return [f"{song.title} {song.artist} {song.via.line} {song.score:.2f}" for song in recommendation.songs]


def every_kind_of_photo(client: Client, picture: Image) -> None:
    """Bytes, views of bytes, names, paths, pictures and addresses."""
    for photo in (b"", bytearray(), memoryview(b""), "a.jpg", Path("a.jpg"), picture, PhotoUri("https://cdn/a.jpg")):
        assert_type(client.submit(photo), Handle)


async def vectors(client: AsyncClient, path: Path) -> bytes:
    """Features, of a backbone that is named."""
    found = await client.features(path, backbone="vgg19-0123456789ab", dtype="float16", lane="bulk", timeout_s=600)
    assert_type(found, PhotoFeatures)
    assert_type(found.model, str | None)
    assert_type(found.dimensions, int)
    return found.data


def later(client: Client, request_id: str) -> Recommendation | None:
    """Fetch by id, in another process."""
    options: RequestOptions = {"id": request_id, "lane": "bulk", "images_k": 5, "songs_per_image": 2}
    handle = client.submit(b"photo", **options)
    if handle.done():
        return handle.result(timeout_s=1)
    assert_type(client.fetch(request_id), Recommendation | None)
    return client.result(request_id, timeout_s=10)


def consume(client: Client, cursor: str) -> str:
    """Go on from a saved cursor."""
    for received in client.replies(cursor, quiet_s=1):
        assert_type(received, Received)
        try:
            print(received.id, received.recommendation().songs)
        except SonglensError as error:
            print(error.message)
        cursor = received.cursor
    return cursor


async def asynchronous(photos: list[Path]) -> list[Recommendation]:
    """Many photos in one event loop."""
    async with AsyncClient() as client:
        handles = [await client.submit(photo, lane="bulk") for photo in photos]
        assert_type(handles, list[AsyncHandle])
        assert_type(await handles[0], Recommendation)
        assert_type(await handles[0].done(), bool)
        assert_type(await client.fetch("r1"), Recommendation | None)
        async for received in client.replies("0", quiet_s=1):
            assert_type(received, Received)
        return [await handle.result() for handle in handles] + [await client.recommend(b"photo", top_k=3)]


def mistakes(client: Client) -> None:
    """What a type checker must refuse: `warn_unused_ignores` makes every accepted one an error."""
    client.recommend(42)  # type: ignore[arg-type]
    client.recommend(b"", topk=3)  # type: ignore[call-arg]
    client.submit(b"", top_k="3")  # type: ignore[arg-type]
    client.submit(b"", user=42)  # type: ignore[arg-type]
    client.submit(b"", user_weight="0.5")  # type: ignore[arg-type]
