"""A Redis Cluster whose nodes change roles, or die, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos_fleet import Account, Fleet, Load, left_over
from local_cluster import LocalCluster

from songlens_shared.broker import open_redis
from songlens_shared.server import load_functions

SETTINGS = {"heartbeat_ms": 300, "takeover_ms": 1500, "max_deliveries": 50}
PARTITIONS = 7
WINDOW_S = 1.0
"""What a primary has accepted in its last second may die with it: replication follows, it does not lead."""


@pytest.fixture
def cluster(tmp_path: Path, redis_server: Path | None) -> Iterator[LocalCluster]:
    """Three primaries, each with a replica."""
    with LocalCluster(tmp_path / "cluster", binary=redis_server, replicas=3) as running:
        with open_redis(running.url) as connection:
            load_functions(connection)
        yield running


def under_load(cluster: LocalCluster, fleet: Fleet, requests: int, disturb: Callable[[], None]) -> Account:
    """Disturb the cluster when half of the requests have been accepted; return what became of all."""
    load = Load(cluster.url, partitions=PARTITIONS)
    with fleet.running():
        submitting = load.start(requests)
        while len(load.account.accepted) < requests // 2:
            time.sleep(0.01)
        disturb()
        submitting.join(120)
        with open_redis(cluster.primaries[0].url) as connection:
            account = load.wait(connection, limit_s=30)
            account.left = left_over(connection, PARTITIONS)
    load.close()
    assert len(account.accepted) == requests
    return account


@pytest.fixture
def fleet(cluster: LocalCluster, tmp_path: Path) -> Fleet:
    """Two workers of each stage, which watch every partition."""
    return Fleet(cluster.url, tmp_path / "workers.log", item_s=0.002, partitions=PARTITIONS, **SETTINGS)


@pytest.mark.timeout(300)
def test_a_planned_failover_loses_nothing(cluster: LocalCluster, fleet: Fleet, long: bool, report: Any) -> None:
    """Every primary hands over to its replica under load: all requests are answered, once."""

    def hand_over() -> None:
        for number, replica in enumerate(cluster.replicas):
            replica.tell("FAILOVER")
            cluster.wait_until_leading(replica, number)

    started_s = time.monotonic()
    account = under_load(cluster, fleet, 3000 if long else 600, hand_over)
    report(failovers=3, **fleet.figures(account, started_s))
    assert (account.lost, account.twice, account.failed, account.left) == (set(), set(), {}, {})


@pytest.mark.timeout(300)
def test_a_primary_that_dies_loses_its_last_second_at_most(
    cluster: LocalCluster, fleet: Fleet, long: bool, report: Any
) -> None:
    """A primary is killed under load and its replica takes its place: whatever is older than a moment is answered."""
    killed_s = 0.0

    def kill() -> None:
        nonlocal killed_s
        killed_s = time.monotonic()
        cluster.primaries[1].kill()

    started_s = time.monotonic()
    account = under_load(cluster, fleet, 3000 if long else 600, kill)
    report(failovers=1, **fleet.figures(account, started_s))
    assert all(account.submitted_s[id] > killed_s - WINDOW_S for id in account.lost)
    assert all(account.submitted_s[id] > killed_s - WINDOW_S for id in account.twice)
    assert (account.failed, account.left) == ({}, {})


@pytest.mark.timeout(120)
def test_without_a_replica_it_would(tmp_path: Path, redis_server: Path | None) -> None:
    """A primary that nobody replaces takes its requests along: the test above can fail."""
    with LocalCluster(tmp_path / "cluster", binary=redis_server) as cluster:
        with open_redis(cluster.url) as connection:
            load_functions(connection)
        load = Load(cluster.url, partitions=PARTITIONS)
        load.submit([f"r{number}" for number in range(50)])
        cluster.primaries[1].kill()
        fleet = Fleet(cluster.url, tmp_path / "workers.log", partitions=PARTITIONS, **SETTINGS)
        with fleet.running(), open_redis(cluster.url) as connection:
            account = load.wait(connection, limit_s=5)
        load.close()
    assert account.lost
