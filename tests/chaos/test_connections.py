"""Connections that are cut, that lose answers, and that are half-open: nothing is lost, nothing doubled."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import redis
from chaos_fleet import PHOTO, STREAMS, Account, Fleet, Load, left_over, without
from chaos_proxy import Proxy

from songlens import Client
from songlens_workers.embedded import EmbeddedBroker

SETTINGS = {"heartbeat_ms": 300, "takeover_ms": 10_000, "max_deliveries": 50, "max_batch": 16, "max_in_flight": 32}
"""A connection is back long before its worker is taken for dead: whatever is done twice is done twice by one worker."""
STILL_LATE_S = 6
"""Longer than the clients' socket timeout."""
STILL_AT_WORK_MS = 2000
LEAST_LOST = 60
"""Answers."""


@contextmanager
def again_and_again(attempt: Callable[[], object], every_s: float) -> Iterator[list[int]]:
    """Do something every so often, beside the block; gives how often, in a list."""
    over, times = threading.Event(), [0]

    def go_on() -> None:
        while not over.wait(every_s):
            attempt()
            times[0] += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def send(load: Load, requests: int, enough: Callable[[], bool], *, limit_s: float = 120) -> None:
    """Send so many requests in all, or more until it was enough, as long as the limit allows."""
    names, until_s = (
        (f"r{number}" for number in itertools.count(len(load.account.accepted))),
        time.monotonic() + limit_s,
    )
    while (len(load.account.accepted) < requests or not enough()) and time.monotonic() < until_s:
        load.submit(list(islice(names, 10)), give_up=lambda: time.monotonic() >= until_s)


def check(account: Account, left: dict[str, int]) -> None:
    """Every request was answered, once, and nothing is left."""
    assert (account.lost, account.twice, account.failed, left) == (set(), set(), {}, {})


def check_counters(fleet: Fleet, requests: int) -> None:
    """Workers counted no request twice, and every outcome that was not the first as refused."""
    counted = fleet.counted()
    for stage in ("vision", "songs"):
        ended = counted[f"{stage} songlens_requests_total ok"]
        assert ended <= requests
        assert ended + counted[f"{stage} songlens_deliveries_refused_total"] >= requests


def all_consumers_work(connection: redis.Redis) -> bool:
    """Say whether every consumer has been given something, or has at least asked, in the last moments."""
    # Redis 7.0 knows no consumer of a stream that never had an entry, as the bulk lane here.
    for stream, group in (STREAMS[0], STREAMS[2]):
        consumers: Any = connection.xinfo_consumers(stream, group)
        if len(consumers) != 2 or any(consumer["idle"] > STILL_AT_WORK_MS for consumer in consumers):
            return False
    return True


@pytest.mark.timeout(400)
def test_connections_that_are_cut(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any
) -> None:
    """The server cuts every connection many times a second; an app that waits for a reply meanwhile gets it."""
    requests, least_cuts, started_s = *((5000, 200) if long else (400, 40)), time.monotonic()
    fleet, load = Fleet(broker.url, tmp_path / "workers.log", item_s=0.002, **SETTINGS), Load(broker.url)
    with fleet.running(), Client(broker.url, name="waiting") as client:
        client.recommend(PHOTO, timeout_s=60)  # the workers are up
        handle = client.submit(PHOTO, timeout_s=120)
        with again_and_again(lambda: connection.client_kill_filter(_type="normal", skipme=True), 0.05) as cuts:
            send(load, requests, lambda: cuts[0] >= least_cuts)
            assert handle.result().id == handle.id
        send(load, requests, lambda: all_consumers_work(connection), limit_s=30)
        assert all_consumers_work(connection)
        account = load.wait(connection, limit_s=120)
        assert client.recommend(PHOTO, timeout_s=60).id
        left = left_over(connection)
    load.close()
    report(**fleet.figures(account, started_s), cuts=cuts[0])
    assert fleet.deaths == 0
    assert len(account.accepted) >= requests
    check(account, left)
    check_counters(fleet, len(account.accepted) + 3)


def through_a_bad_network(
    proxy: Proxy, connection: redis.Redis, fleet: Fleet, *, requests: int, half_open: int, limit_s: float
) -> tuple[Account, dict[str, int]]:
    """Send requests while answers are lost, some of them on connections that stay open."""
    load = Load(proxy.url)

    def silences() -> None:
        for _ in range(half_open):
            proxy.mute(True)
            time.sleep(STILL_LATE_S)
            proxy.mute(False)
            time.sleep(0.5)

    with fleet.running(), Client(proxy.url) as client:
        client.recommend(PHOTO, timeout_s=60)
        silent = threading.Thread(target=silences)
        with again_and_again(lambda: _lose_one(proxy), 0.1):
            silent.start()
            send(load, requests, lambda: proxy.lost >= LEAST_LOST and not silent.is_alive())
            silent.join()
        account = load.wait(connection, limit_s=limit_s)
        left = left_over(connection)
    load.close()
    return account, left


def _lose_one(proxy: Proxy) -> None:
    proxy.lose(True)
    time.sleep(0.02)
    proxy.lose(False)


@pytest.mark.timeout(400)
def test_answers_that_never_arrive(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any
) -> None:
    """Calls are done and their answers lost, or connections stay open and silent past every timeout: clients and
    workers say everything again, and it shows nowhere."""
    requests, started_s = 3000 if long else 400, time.monotonic()
    with Proxy(broker.url) as proxy:
        fleet = Fleet(proxy.url, tmp_path / "workers.log", item_s=0.002, **SETTINGS)
        account, left = through_a_bad_network(
            proxy, connection, fleet, requests=requests, half_open=3 if long else 1, limit_s=120
        )
    report(**fleet.figures(account, started_s), answers_lost=proxy.lost)
    assert fleet.deaths == 0
    assert proxy.lost >= LEAST_LOST
    assert len(account.accepted) >= requests
    check(account, left)
    check_counters(fleet, len(account.accepted) + 1)
    assert fleet.refused > 0  # something was really said twice


@pytest.mark.timeout(120)
def test_what_is_said_twice_would_be_done_twice(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path
) -> None:
    """Where whoever hands over or answers is the first, the same network gives requests two replies."""
    connection.function_load(without("acknowledging", "answering once"), replace=True)
    with Proxy(broker.url) as proxy:
        fleet = Fleet(proxy.url, tmp_path / "workers.log", item_s=0.002, **SETTINGS)
        account, left = through_a_bad_network(proxy, connection, fleet, requests=400, half_open=0, limit_s=20)
    with pytest.raises(AssertionError):
        check(account, left)
    assert account.twice
