"""Full batches of photos, some of which are bad: each bad one gets its own code, and harms no other."""

from __future__ import annotations

import itertools
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import redis
from chaos_fleet import AT, Account, Fleet, Load, left_over
from chaos_models import photo, publish_version, write_version

from songlens_shared import functions
from songlens_shared.codec import encode_request
from songlens_shared.keys import BULK
from songlens_shared.messages import Request
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore

EVERY = 100
"""One in so many is bad."""
PHOTOS = 64
SETTINGS = {"max_batch": 32, "max_in_flight": 128, "takeover_ms": 30_000}


def bomb() -> bytes:
    """Return a PNG of a few hundred bytes that says it has 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")
    )


def _request(id: str, image: bytes) -> bytes:
    return encode_request(Request(id=id, client="app", image=image, images_k=2))


POISONS: dict[str, tuple[str, Any]] = {
    "cut short": ("bad_image", lambda id: _request(id, photo(1)[:-200])),
    "garbage": ("bad_image", lambda id: _request(id, b"\xff\xd8\xff" + bytes(range(256)) * 8)),
    "no photo": ("bad_image", lambda id: _request(id, b"a letter")),
    "bomb": ("image_too_large", lambda id: _request(id, bomb())),
    "no message": ("bad_request", lambda id: b"\xc1" * 500),
    "an option out of bounds": (
        "bad_request",
        lambda id: _request(id, photo(1)).replace(b"\xa5top_k\x0a", b"\xa5top_k\x00"),
    ),
    "another version": ("unsupported_version", lambda id: _request(id, photo(1)).replace(b"\xa1v\x01", b"\xa1v\x02")),
}
"""Name -> the code that it must be answered with, and the entry's payload."""


class Poisoned(Load):
    """Queues entries as a client in any language might: its payloads need not be requests."""

    def __init__(self, url: str, connection: redis.Redis) -> None:
        super().__init__(url)
        self._connection = connection
        self._poisons = itertools.cycle(POISONS)
        self.expected: dict[str, str] = {}
        """Code of each bad one."""

    def queue(self, count: int) -> None:
        """Queue so many at once."""
        pipeline = self._connection.pipeline(transaction=False)
        for number in range(count):
            id = f"r{number}"
            queued = Request(id=id, client="app", image=b"-", lane=BULK, ttl_ms=600_000)
            functions.submit(AT, queued, self._payload(number, id)).on(pipeline)
            self.account.accepted.add(id)
            self.account.submitted_s[id] = time.monotonic()
        assert {answer[0] for answer in pipeline.execute()} == {b"accepted"}

    def _payload(self, number: int, id: str) -> bytes:
        if number % EVERY != EVERY // 2:
            return _request(id, photo(number % PHOTOS))
        self.expected[id], make = POISONS[next(self._poisons)]
        payload: bytes = make(id)
        return payload


def check(account: Account, expected: dict[str, str], left: dict[str, int]) -> None:
    """Every good one has songs, every bad one its own code; none is lost, none answered twice, nothing is left."""
    assert (account.lost, account.twice) == (set(), set())
    assert account.failed == expected
    assert all(reply.songs for id, reply in account.answered.items() if id not in expected)
    assert left == {}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "off", [(), ("isolation",), ("isolation", "halving")], ids=lambda off: " and ".join(off) or "nothing"
)
def test_bad_photos_fail_alone(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any, off: tuple[str, ...]
) -> None:
    """With nothing off, and with decoding inside the batch, which is then halved. With both off it is seen to fail."""
    write_version(ModelStore(str(tmp_path)), "v1")
    publish_version(connection, "v1")
    fleet = Fleet(broker.url, tmp_path / "workers.log", vision=1, songs=1, models=str(tmp_path), broken=off, **SETTINGS)
    load, started_s = Poisoned(broker.url, connection), time.monotonic()
    load.queue(10_000 if long and not off else 1000)
    with fleet.running():
        account = load.wait(connection, limit_s=240)
        left = left_over(connection)
    load.close()
    counted = fleet.counted()
    report(
        **fleet.figures(account, started_s), bad=len(load.expected), full=counted["vision songlens_batches_total full"]
    )
    assert fleet.deaths == 0
    if "halving" in off:
        with pytest.raises(AssertionError):
            check(account, load.expected, left)
        return
    check(account, load.expected, left)
    assert len(load.expected) == len(account.accepted) // EVERY
    assert counted["vision songlens_batches_total full"] > counted["vision songlens_batches_total timer"]
    assert counted["songs songlens_requests_total ok"] == len(account.accepted) - len(load.expected)
