"""Addresses of socket files: clients and workers on the server's own machine need no port."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_worker import FakeWorker
from stages import CLIENT, KEYS, EchoStage, assert_nothing_is_left, codes, running, submit_many, wait_until

from songlens import AsyncClient, BrokerUnavailable, Client
from songlens_shared.broker import connect
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker


@pytest.fixture
def url(tmp_path: Path, redis_server: Path | None) -> Iterator[str]:
    """The address of a socket file; a path in `tmp_path` may be longer than the 107 bytes that the system takes."""
    with tempfile.TemporaryDirectory(prefix="sl") as folder:
        socket = Path(folder) / "redis.sock"
        with EmbeddedBroker(tmp_path / "broker", persistent=False, binary=redis_server, socket=socket) as broker:
            yield broker.socket_url


def test_both_clients(url: str) -> None:
    """Songs come back over a socket file as they do over a port."""

    async def recommend() -> str:
        async with AsyncClient(url) as client:
            return (await client.recommend(b"a photo", id="r1")).songs[0].id

    with FakeWorker(url), Client(url) as client:
        assert client.recommend(b"a photo", id="r2").songs[0].id == "song-r2"
        assert asyncio.run(recommend()) == "song-r1"


def test_a_worker(url: str) -> None:
    """A stage's worker claims, runs and answers."""
    with connect(url) as connection:
        load_functions(connection)
        submit_many(connection, 20)
        with running(EchoStage(), url):
            wait_until(lambda: int(connection.xlen(KEYS.replies(CLIENT))) == 20, "20 replies")
        assert codes(connection) == {f"r{number:04}": "ok" for number in range(20)}
        assert_nothing_is_left(connection)


def test_nobody_there(tmp_path: Path) -> None:
    """A file that is no socket, or none at all, is a server that cannot be reached: the error names it."""
    for path in (tmp_path / "missing.sock", tmp_path):
        with Client(f"unix://{path}") as client, pytest.raises(BrokerUnavailable, match=path.name):
            client.submit(b"a photo")


def test_a_server_without_one_says_so(tmp_path: Path) -> None:
    """Its other address is the one to use."""
    with pytest.raises(BrokerUnavailable, match="without a socket file"):
        _ = EmbeddedBroker(tmp_path).socket_url
