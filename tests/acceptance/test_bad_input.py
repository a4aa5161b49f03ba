"""Bad input gets a clear answer, and nothing else is disturbed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pytest
import redis
from PIL import Image

from songlens import Client
from songlens_shared import functions, keys
from songlens_shared.address import resolve_partitions
from songlens_shared.broker import open_redis
from songlens_shared.codec import decode_reply, encode_request
from songlens_shared.functions import Call
from songlens_shared.messages import Reply, Request

from .conftest import System


def at(request_id: str) -> keys.PartitionKeys:
    """Return where a request lies."""
    return keys.PartitionKeys(keys.partition_of(request_id, resolve_partitions()))


def everywhere() -> list[keys.PartitionKeys]:
    return [keys.PartitionKeys(partition) for partition in range(resolve_partitions())]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    gradient = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    return Image.fromarray(gradient).convert(mode)


def truncated() -> bytes:
    whole = saved(picture(size=(640, 480)), "JPEG")
    return whole[: len(whole) // 3]


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is this large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def flat_20000() -> bytes:
    """20,000 x 20,000 pixels that really are there, in some 50 KB."""
    return saved(Image.new("1", (20_000, 20_000)), "PNG")


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "truncated file": (truncated, "bad_image", "damaged or cut short"),
    "text named .jpg": (lambda: b"these are words, not a photo", "bad_image", "not a photo"),
    "random bytes": (lambda: bytes(range(256)) * 9, "bad_image", "not a photo"),
    "0 bytes": (lambda: b"", "bad_image", "0 bytes"),
    "decompression bomb": (lambda: png_claiming(200_000, 200_000), "image_too_large", "send a smaller copy"),
    "20,000 x 20,000 pixels": (flat_20000, "image_too_large", "20000 x 20000 pixels"),
}

ANSWERED: dict[str, Callable[[], bytes]] = {
    "1x1": lambda: saved(Image.new("RGB", (1, 1), "red"), "PNG"),
    "CMYK": lambda: saved(picture("CMYK"), "JPEG"),
    "16-bit PNG": lambda: saved(Image.fromarray((np.arange(64 * 48).reshape(48, 64) * 20).astype(np.uint16)), "PNG"),
    "animated WebP": lambda: saved(
        picture(), "WEBP", save_all=True, append_images=[picture(), Image.new("RGB", (64, 48))]
    ),
    "grey": lambda: saved(picture("L"), "JPEG"),
    "palette with alpha": lambda: saved(picture("RGBA").quantize(16), "PNG", transparency=0),
    "AVIF": lambda: saved(picture(), "AVIF"),
}


def raw_submit(connection: redis.Redis, request_id: str, payload: bytes, *, lane: str = "interactive") -> None:
    """Queue bytes as a client in another language may: past our own checks."""
    where = at(request_id)
    stream = where.requests(lane)
    call = Call(
        "songlens_submit",
        (stream, where.bytes_of(stream), where.result(request_id), where.limits),
        (lane, request_id, "raw", payload, 60_000, keys.RESULT_TTL_S),
    )
    assert call.on(connection)[0] == b"accepted"


def reply_to(client: Client, connection: redis.Redis, request_id: str) -> Reply:
    client._run(client._core.poll(request_id, 60))
    stored = connection.get(at(request_id).result(request_id))
    assert isinstance(stored, bytes)
    return decode_reply(stored)


@pytest.fixture
def connection(system: System) -> redis.Redis:
    return open_redis(system.url)


def test_bad_photos_are_answered_one_by_one_and_good_ones_get_songs(
    system: System, client: Client, connection: redis.Redis
) -> None:
    """Sent together, each bad photo gets its code and a sentence that says what to do; the others get songs."""
    good = next((system.model.catalogue / "images").rglob("*.jpg")).read_bytes()
    photos = {name: make() for name, (make, _, _) in REFUSED.items()} | {
        name: make() for name, make in ANSWERED.items()
    }
    ids = {}
    for number, (name, photo) in enumerate(photos.items()):
        for kind, image in (("odd", photo), ("good", good)):
            request = Request(id=f"{kind}-{number}", client="raw", image=image, ttl_ms=120_000)
            functions.submit(at(request.id), request, encode_request(request)).on(connection)
        ids[name] = f"odd-{number}"
    for number, name in enumerate(photos):
        assert reply_to(client, connection, f"good-{number}").status == "ok", name
        reply = reply_to(client, connection, ids[name])
        if name in REFUSED:
            _, code, sentence = REFUSED[name]
            assert reply.error is not None, name
            assert (reply.error.code, sentence in reply.error.message) == (code, True), (name, reply.error)
        else:
            assert (reply.status, len(reply.songs)) == ("ok", 10), (name, reply.error)
    assert not any(connection.xlen(where.dead) for where in everywhere())


def message(**changes: object) -> bytes:
    whole: dict[str, object] = {"v": 1, "id": "x", "client": "raw", "image": b"photo", "lane": "interactive"}
    whole.update(changes)
    packed: bytes = msgpack.packb({name: value for name, value in whole.items() if value != "absent"})
    return packed


MALFORMED = {
    "not msgpack": (b"\xc1\xc1\xc1", "bad_request", "not a msgpack map"),
    "not a map": (msgpack.packb([1, 2, 3]), "bad_request", "must be a msgpack map"),
    "wrong version": (message(v=2), "unsupported_version", "version"),
    "no version": (message(v="absent"), "unsupported_version", "version"),
    "missing field": (message(id="absent"), "bad_request", "'id' is missing"),
    "no photo": (message(image="absent"), "bad_request", "image"),
    "unknown lane": (message(lane="express"), "bad_request", "interactive, bulk"),
    "wrong type": (message(top_k="ten"), "bad_request", "'top_k' must be int"),
    "out of bounds": (message(top_k=0), "bad_request", "between 1 and 100"),
    "uri": (message(image="absent", uri="file:///etc/passwd"), "bad_request", "switched off"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_message_is_answered(system: System, client: Client, connection: redis.Redis, fault: str) -> None:
    """Whatever a foreign client queues, it gets a code and a sentence, and the entry is gone."""
    payload, code, sentence = MALFORMED[fault]
    request_id = f"malformed-{fault.replace(' ', '-')}"
    raw_submit(connection, request_id, payload)
    error = reply_to(client, connection, request_id).error
    assert error is not None
    assert (error.code, sentence in error.message) == (code, True), error
    assert connection.xlen(at(request_id).requests("interactive")) == 0


def test_an_entry_that_no_function_wrote_is_answered(system: System, client: Client, connection: redis.Redis) -> None:
    """An entry added by hand, without a deadline, does not stop the worker; it is answered under its id."""
    where = at("by-hand")
    connection.xadd(where.requests("interactive"), {"m": message(), "id": "by-hand", "client": "raw"})
    while connection.get(where.result("by-hand")) is None:
        pass
    error = reply_to(client, connection, "by-hand").error
    assert error is not None
    assert "songlens_submit" in error.message


def test_nothing_is_left_behind(system: System, client: Client, connection: redis.Redis, tmp_path: Path) -> None:
    """After all of that the streams and their byte counters are empty and both workers still run."""
    photo = next((system.model.catalogue / "images").rglob("*.jpg"))
    assert len(client.recommend(photo).songs) == 10
    for where in everywhere():
        for stream in (where.requests("interactive"), where.requests("bulk"), where.hits):
            assert connection.xlen(stream) == 0
        assert int(connection.get(where.bytes_of(where.hits)) or 0) == 0
    system.vision.check()
    system.songs.check()
