"""The embedded server gets its port although others take ports too."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from songlens_shared.broker import connect
from songlens_shared.errors import BrokerUnavailable
from songlens_workers import embedded
from songlens_workers.embedded import EmbeddedBroker


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_that_is_taken_meanwhile(tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Free when it was looked at, taken when the server starts: the server takes another one."""
    free_port, offered = embedded._free_port, [taken]
    monkeypatch.setattr(embedded, "_free_port", lambda: offered.pop() if offered else free_port())
    with EmbeddedBroker(tmp_path, persistent=False) as broker, connect(broker.url) as connection:
        assert str(taken) not in broker.url
        assert connection.ping()


def test_no_port_at_all(tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error shows what the server said, and the next start looks for a port again."""
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "_free_port", lambda: taken)
        broker = EmbeddedBroker(tmp_path, persistent=False)
        with pytest.raises(BrokerUnavailable, match="Address already in use"):
            broker.start()
    broker.start()
    broker.stop()


def test_a_server_keeps_its_port(tmp_path: Path) -> None:
    """Stopped and started again, it is where its clients know it."""
    broker = EmbeddedBroker(tmp_path, persistent=False)
    broker.start()
    url = broker.url
    broker.stop()
    broker.start()
    assert broker.url == url
    broker.stop()
