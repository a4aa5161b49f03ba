"""Three times as much as can be done: lanes stay bounded, refusals are typed, and who waits is not held up by bulk."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import pytest
import redis
from chaos_fleet import AT, PHOTO, Fleet, Load, left_over

from songlens import Client, QueueFull
from songlens_shared.keys import BULK, INTERACTIVE
from songlens_workers.embedded import EmbeddedBroker

ITEM_S = 0.005
CAPACITY = 1 / ITEM_S
"""Photos a second of the one vision worker."""
BULK_DEPTH = 300
ASKED_EVERY_S = 0.1


class Flood(threading.Thread):
    """Offers bulk requests at three times the capacity, whatever the answer."""

    def __init__(self, load: Load, offers: int) -> None:
        super().__init__(name="flood")
        self._load = load
        self._offers = offers

    def run(self) -> None:
        started_s = time.monotonic()
        for number in range(self._offers):
            self._load.offer(f"bulk{number}")
            ahead_s = started_s + number / (3 * CAPACITY) - time.monotonic()
            if ahead_s > 0:
                time.sleep(ahead_s)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "without a bound"])
def test_more_than_can_be_done(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any, bounded: bool
) -> None:
    """Bulk is refused at its depth and never beyond it; interactive requests are answered meanwhile, in less time than
    bulk takes; when the flood ends, all that was accepted is answered. Without the bound the lane grows past it."""
    depth = BULK_DEPTH if bounded else 1_000_000
    connection.hset(AT.limits, mapping={"bulk.depth": depth, "bulk.bytes": 2**40})
    fleet = Fleet(broker.url, tmp_path / "workers.log", vision=1, songs=1, item_s=ITEM_S)
    load = Load(broker.url, "flood", lane=BULK)
    flood = Flood(load, offers=round(3 * CAPACITY * (60 if long and bounded else 5)))
    waits_s, deepest = [], 0
    with fleet.running(), Client(broker.url) as client:
        client.recommend(PHOTO, timeout_s=60, lane=INTERACTIVE)  # the workers are up
        flood.start()
        while flood.is_alive():
            started_s = time.monotonic()
            client.recommend(PHOTO, timeout_s=60, lane=INTERACTIVE)
            waits_s.append(time.monotonic() - started_s)
            load.read(connection)
            deepest = max(deepest, connection.xlen(AT.requests(BULK)))
            time.sleep(ASKED_EVERY_S)
        account = load.wait(connection, limit_s=120)
        assert client.recommend(PHOTO, timeout_s=60).id
        left = left_over(connection)
    load.close()
    slowest_s = quantiles(waits_s, n=100, method="inclusive")[-1]
    report(
        offered=len(account.accepted) + account.refused,
        accepted=len(account.accepted),
        refused=account.refused,
        deepest=deepest,
        interactive=len(waits_s),
        interactive_p99_s=round(slowest_s, 3),
        bulk_worst_s=account.worst_delay_s,
    )
    assert (account.lost, account.failed, left) == (set(), {}, {})
    assert slowest_s < account.worst_delay_s
    if bounded:
        assert account.refused > 0
        assert deepest <= BULK_DEPTH
    else:
        assert account.refused == 0
        assert deepest > BULK_DEPTH


def test_a_refusal_says_when_to_come_again(broker: EmbeddedBroker, connection: redis.Redis) -> None:
    """It is a type of its own, with a hint between a tenth of a second and five."""
    connection.hset(AT.limits, mapping={"bulk.depth": 1})
    with Client(broker.url) as client:
        client.submit(PHOTO, lane=BULK)
        with pytest.raises(QueueFull) as refused:
            client.submit(PHOTO, lane=BULK)
    assert 100 <= refused.value.retry_after_ms <= 5000
