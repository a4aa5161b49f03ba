"""No accepted photo is lost while the server dies, comes back, or stands still."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from chaos_fleet import Account, Fleet, Load, left_over, without
from mortal_broker import MortalBroker

from songlens_shared.broker import connect
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker

SETTINGS = {"heartbeat_ms": 300, "takeover_ms": 1500, "max_deliveries": 50}


@pytest.fixture(params=["always", "everysec"])
def mortal(tmp_path: Path, redis_server: Path | None, request: pytest.FixtureRequest) -> Iterator[MortalBroker]:
    """The server."""
    with MortalBroker(tmp_path / "mortal", fsync=request.param, binary=redis_server) as broker:
        with connect(broker.url) as connection:
            load_functions(connection)
        yield broker


def restarts_under_load(broker: MortalBroker, log: Path, *, requests: int, restarts: int, limit_s: float) -> Account:
    """Kill the server and start it again while requests come in; return what became of them."""
    fleet, load = Fleet(broker.url, log, item_s=0.004, **SETTINGS), Load(broker.url)
    with fleet.running():
        submitting = load.start(requests)
        for number in range(1, restarts + 1):
            while len(load.account.accepted) < number * requests // (restarts + 1):
                time.sleep(0.01)
            broker.die()
            broker.start()
        submitting.join(300)
        with connect(broker.url) as connection:
            account = load.wait(connection, limit_s=limit_s)
            account.left = left_over(connection)
    load.close()
    assert len(account.accepted) == requests
    return account


@pytest.mark.timeout(600)
def test_a_server_that_dies_loses_nothing_it_has_accepted(
    mortal: MortalBroker, tmp_path: Path, long: bool, report: Any
) -> None:
    """Killed under load and started again from its append-only file: every accepted request is answered, once."""
    requests, restarts, started_s = *((5000, 8) if long else (600, 2)), time.monotonic()
    log = tmp_path / "workers.log"
    account = restarts_under_load(mortal, log, requests=requests, restarts=restarts, limit_s=120)
    report(
        requests=len(account.accepted),
        restarts=restarts,
        lost=len(account.lost),
        answered_twice=len(account.twice),
        worst_delay_s=account.worst_delay_s,
        seconds=round(time.monotonic() - started_s, 1),
    )
    assert (account.lost, account.twice, account.failed, account.left) == (set(), set(), {}, {})


@pytest.mark.timeout(120)
def test_without_its_file_it_would(tmp_path: Path, redis_server: Path | None) -> None:
    """A server that keeps nothing loses what it had accepted when it dies: the test above can fail."""
    with MortalBroker(tmp_path / "mortal", binary=redis_server, persistent=False) as broker:
        account = restarts_under_load(broker, tmp_path / "workers.log", requests=600, restarts=1, limit_s=5)
    assert account.lost


def stands_still(
    broker: EmbeddedBroker,
    connection: redis.Redis,
    fleet: Fleet,
    *,
    requests: int,
    still_s: float,
    limit_s: float,
    times: int = 1,
) -> Account:
    """Stop the server in mid-load and let it go on, so many times or until a request is answered twice; return what
    became of the requests."""
    load = Load(broker.url)
    with fleet.running():
        submitting = load.start(requests)
        for number in range(1, times + 1):
            while len(load.account.answered) < number * requests // (times + 3):
                load.read(connection)
                time.sleep(0.01)
            if load.account.twice:
                break
            os.kill(broker.pid, signal.SIGSTOP)
            time.sleep(still_s)
            os.kill(broker.pid, signal.SIGCONT)
        submitting.join(120)
        account, until_s = load.wait(connection, limit_s=limit_s), time.monotonic() + 10
        while left_over(connection) and time.monotonic() < until_s:
            time.sleep(0.1)
        load.read(connection)
        account.left = left_over(connection)
    load.close()
    assert len(account.accepted) == requests
    return account


@pytest.mark.timeout(300)
def test_a_server_that_stands_still(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any
) -> None:
    """Stopped for longer than every time-out under load, and then continued: nothing is lost, nothing doubled."""
    requests, still_s, started_s = *((3000, 20) if long else (400, 7)), time.monotonic()
    fleet = Fleet(broker.url, tmp_path / "workers.log", item_s=0.002, **SETTINGS)
    account = stands_still(broker, connection, fleet, requests=requests, still_s=still_s, limit_s=120)
    report(still_s=still_s, **fleet.figures(account, started_s))
    assert (account.lost, account.twice, account.failed, account.left) == (set(), set(), {}, {})


@pytest.mark.timeout(200)
def test_what_workers_say_again_would_be_answered_again(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path
) -> None:
    """The server goes on with what it was told before it stood still, and is told so again by workers that have heard
    nothing: the second saying must find nothing to do. Whether a worker was just saying something is chance, so that
    more than one stop may be needed to see it."""
    connection.function_load(without("acknowledging", "answering once"), replace=True)
    fleet = Fleet(broker.url, tmp_path / "workers.log", item_s=0.01, **SETTINGS)
    account = stands_still(broker, connection, fleet, requests=900, still_s=7, limit_s=30, times=6)
    assert account.twice
