"""A server that speaks TLS and wants a password, both given by URL alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from fake_worker import FakeWorker
from tls_broker import PASSWORD, TlsBroker, running_tls_broker

from songlens import AsyncClient, BrokerUnavailable, Client, Recommendation
from songlens_shared.broker import connect
from songlens_workers.embedded import EmbeddedBroker


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[TlsBroker]:
    with running_tls_broker(tmp_path_factory.mktemp("tls"), redis_server) as broker:
        yield broker


async def ask(url: str) -> Recommendation:
    async with AsyncClient(url) as client:
        return await client.recommend(b"photo", timeout_s=20)


def test_both_clients(guarded: TlsBroker) -> None:
    """Request and reply go through TLS, with user and password from the URL."""
    with FakeWorker(guarded.url) as worker, Client(guarded.url) as client:
        assert client.recommend(b"photo", timeout_s=20).songs
        assert asyncio.run(ask(guarded.url)).songs
    assert len(worker.seen) == 2


def test_client_certificates(tmp_path: Path, redis_server: Path | None) -> None:
    """Where the server asks for them, certificate and key are named in the URL; without them nobody gets in."""
    with running_tls_broker(tmp_path, redis_server, client_certificates=True) as broker:
        with connect(broker.url, retries=0) as connection:
            assert connection.ping()
        without = broker.url.partition("&ssl_certfile")[0]
        with pytest.raises(BrokerUnavailable, match="no Redis answers"), Client(without) as client:
            client.fetch("r1")


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Another authority's certificate."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "stranger.pem")
    return tmp_path / "stranger.pem"


Address = Callable[[TlsBroker, Path], str]
REFUSED: dict[str, tuple[Address, str]] = {
    "another authority": (lambda at, stranger: at.address(authority=stranger), r"end the address with \?ssl_ca_certs="),
    "no authority": (lambda at, _: at.url.partition("?")[0], r"end the address with \?ssl_ca_certs="),
    "another host": (lambda at, _: at.url.replace("localhost", "127.0.0.1"), "host name that it was issued for"),
    "no such file": (lambda at, _: at.address(authority=Path("/nowhere.pem")), "Check the files .*ssl_ca_certs"),
    "no certificate": (lambda at, _: at.address(authority=Path(__file__)), "Check the files .*ssl_ca_certs"),
    "wrong password": (lambda at, _: at.address(password=f"{PASSWORD}!"), "refuses the user name or password"),
    "no TLS": (lambda at, _: at.url.replace("rediss", "redis").partition("?")[0], "TLS begins with rediss://"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(guarded: TlsBroker, stranger: Path, fault: str) -> None:
    """Both clients say what to do, and never the password."""
    address, advice = REFUSED[fault]
    url = address(guarded, stranger)
    for attempt in (lambda: Client(url).fetch("r1"), lambda: asyncio.run(ask(url))):
        with pytest.raises(BrokerUnavailable, match=advice) as raised:
            attempt()
        assert_hidden(raised.value.message)


def assert_hidden(text: str) -> None:
    assert not any(secret in text for secret in (PASSWORD, quote(PASSWORD, safe=""), "s3cr3t"))


def test_tls_to_a_port_without(module_broker: EmbeddedBroker) -> None:
    """A server that does not speak TLS says nothing at all; the error tells what may be wrong."""
    url = module_broker.url.replace("redis://", f"rediss://app:{quote(PASSWORD, safe='')}@")
    with pytest.raises(
        BrokerUnavailable, match="asks for TLS; that of a port without TLS begins with redis://"
    ) as raised:
        Client(url).fetch("r1")
    assert_hidden(raised.value.message)


VERBS = {"doctor": ["doctor"], "worker": ["worker", "songs", "--set", "start_wait_s=0"], "send": ["send", __file__]}


@pytest.mark.parametrize("verb", VERBS)
def test_commands_hide_the_password(guarded: TlsBroker, stranger: Path, verb: str) -> None:
    """A command that cannot get in says why and what to do, in its output and logs without the password."""
    environment = {"SONGLENS_REDIS_URL": guarded.address(authority=stranger), "COLUMNS": "400", "NO_COLOR": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "songlens", *VERBS[verb]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )
    assert ended.returncode in (1, 3)
    assert "ssl_ca_certs=/PATH/ca.pem" in ended.stdout + ended.stderr
    assert_hidden(ended.stdout + ended.stderr)
