"""Fixtures that every test may use. Every server here is a real one of its own, on a free port, gone after the test."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from songlens_shared.address import HOME_VARIABLE
from songlens_shared.broker import connect
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker

# Test helpers are plain modules beside this file; with `--import-mode=importlib` pytest adds no folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

# A suite that a shell runs in the background ignores Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the suite run on another server than the embedded one: `--redis-server /usr/bin/redis-server`."""
    parser.addoption(
        "--redis-server",
        type=Path,
        metavar="PATH",
        help="run the tests on this Redis or Valkey server binary instead of the embedded Valkey",
    )
    parser.addoption("--chaos", action="store_true", help="run tests/chaos in their long form")
    parser.addoption("--chaos-report", type=Path, metavar="FILE", help="append the figures of tests/chaos to a file")


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the SONGLENS_HOME of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> Path | None:
    """The server binary to test on, or None for the embedded Valkey."""
    binary: Path | None = pytestconfig.getoption("--redis-server")
    return binary.absolute() if binary else None


@pytest.fixture
def broker(tmp_path: Path, redis_server: Path | None) -> Iterator[EmbeddedBroker]:
    """A fresh, empty server for this test; `.url` is its address. The functions library is not loaded."""
    with EmbeddedBroker(tmp_path / "broker", persistent=False, binary=redis_server) as running:
        yield running


@pytest.fixture
def connection(broker: EmbeddedBroker) -> Iterator[redis.Redis]:
    """A client on `broker`, whose functions library is loaded."""
    with connect(broker.url) as client:
        load_functions(client)
        yield client


@pytest.fixture(scope="module")
def module_broker(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[EmbeddedBroker]:
    """A server for all tests of one module, with the functions library loaded; keep to keys of your own."""
    with EmbeddedBroker(tmp_path_factory.mktemp("broker"), persistent=False, binary=redis_server) as running:
        with connect(running.url) as client:
            load_functions(client)
        yield running
