"""The whole system on a server that speaks TLS and wants a password."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tls_broker import PASSWORD, TlsBroker, running_tls_broker

from songlens import Client

from .conftest import START_LIMIT_S, Model, songlens


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[TlsBroker]:
    with running_tls_broker(tmp_path_factory.mktemp("tls"), redis_server) as broker:
        yield broker


def assert_hidden(text: str) -> None:
    assert not any(secret in text for secret in (PASSWORD, quote(PASSWORD, safe=""), "s3cr3t"))


def test_everything_over_tls(guarded: TlsBroker, model: Model, tmp_path: Path) -> None:
    """Publishing, `songlens up` with a worker of each stage, a photo and `doctor` need no more than the URL in the
    environment; its password is in no log, no output and on no command line."""
    address = {"SONGLENS_REDIS_URL": guarded.url}
    published = songlens("model", "publish", "--models", str(model.store), **address)
    assert published.returncode == 0, published.stderr
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen(
            [sys.executable, "-m", "songlens", "up", "--models", str(model.store)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **address},
        )
    try:
        photo = next((model.catalogue / "images").rglob("*.jpg"))
        with Client(guarded.url) as client:
            handle = client.submit(photo, timeout_s=START_LIMIT_S)
            while not handle.done():
                assert up.poll() is None, log.read_text("utf-8")
                time.sleep(0.1)
            assert len(handle.result().songs) == 10
        doctor = songlens("doctor", "--models", str(model.store), **address)
        assert doctor.returncode == 0, doctor.stdout
        assert "1 workers active" in doctor.stdout
        commands = subprocess.run(["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0
    assert "songlens worker vision" in commands
    assert f"rediss://app:***@localhost:{guarded.url.rpartition(':')[2].partition('/')[0]}" in log.read_text("utf-8")
    for text in (log.read_text("utf-8"), commands, published.stdout, published.stderr, doctor.stdout, doctor.stderr):
        assert_hidden(text)
