"""A worker on a real server whose batches follow the time that they take."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
import redis
from stages import (
    BULK_STREAM,
    CLIENT,
    KEYS,
    EchoStage,
    assert_nothing_is_left,
    pending,
    running,
    submit,
    wait_until,
)

from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.stage import Outcome

ITEM_S = 0.04
TARGETS = {"target_ms_interactive": 100.0, "target_ms_bulk": 200.0}


class SlowStage(EchoStage):
    """A device that each item costs 40 ms. Remembers when its batches began."""

    def __init__(self) -> None:
        super().__init__()
        self.began_s: list[float] = []

    def run(self, items: Sequence[Delivery]) -> list[Outcome]:
        self.began_s.append(time.monotonic())
        outcomes = super().run(items)
        time.sleep(ITEM_S * len(items))
        return outcomes


def wait_for_replies(connection: redis.Redis, count: int) -> None:
    wait_until(lambda: int(connection.xlen(KEYS.replies(CLIENT))) >= count, f"{count} replies")


def fill(connection: redis.Redis, *, bulk: int = 0, interactive: int = 0) -> None:
    """Queue so many; requests below 1000 are interactive."""
    for number in range(interactive):
        submit(connection, number)
    for number in range(bulk):
        submit(connection, 1000 + number, lane=BULK)


def test_batches_become_as_large_as_meets_the_target(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """However much waits: no batch after the first few takes longer than its lane's target by more than one item, and
    what was learned and chosen is in the metrics."""
    stage = SlowStage()
    fill(connection, bulk=60)
    with running(stage, broker.url, **TARGETS) as worker:
        wait_for_replies(connection, 60)
        assert max(map(len, stage.batches[4:])) <= 6
        assert worker.value("songlens_batch_item_seconds") * 4 + worker.value("songlens_batch_fixed_seconds") > 0.15
        assert 1 <= worker.value("songlens_batch_target_size", lane="interactive") <= 2
        assert 1 <= worker.value("songlens_batch_target_size", lane="bulk") <= 5
    assert_nothing_is_left(connection)


@pytest.mark.parametrize("targets", [TARGETS, {"target_ms_interactive": 0.0, "target_ms_bulk": 0.0}], ids=["on", "off"])
def test_no_more_is_claimed_than_keeps_the_device_busy(
    connection: redis.Redis, broker: EmbeddedBroker, targets: dict[str, float]
) -> None:
    """Once it is known how slow the device is, most of the queue is left to other workers and to its own order; with
    the targets off, as much is claimed as may be."""
    stage = SlowStage()
    fill(connection, bulk=100)
    with running(stage, broker.url, max_batch=8, max_in_flight=48, prepare_threads=1, **targets):
        wait_until(lambda: len(stage.batches) > 5, "the device is known")
        stage.gate.clear()
        wait_until(lambda: not stage.gate.is_set() and stage.running.is_set(), "a batch stands")
        time.sleep(0.5)
        held = len(pending(connection, BULK_STREAM))
        stage.gate.set()
        assert held <= 2 * 6 + 1 if targets is TARGETS else held == 48
        wait_for_replies(connection, 100)
    assert_nothing_is_left(connection)


def test_interactive_overtakes_bulk_that_is_claimed(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A photo that comes while bulk fills the worker is in the next batch, not behind what is prepared already."""
    stage = SlowStage()
    fill(connection, bulk=100)
    with running(stage, broker.url, max_batch=8, max_in_flight=48, **TARGETS):
        wait_until(lambda: len(stage.batches) > 5, "the device is known")
        stage.gate.clear()
        count = len(stage.batches)
        wait_until(lambda: len(stage.batches) > count, "a batch stands")
        submitted_s = time.monotonic()
        submit(connection, 1)
        wait_until(lambda: "r0001" in stage.prepared, "the photo is prepared")
        time.sleep(0.1)
        stage.gate.set()
        wait_for_replies(connection, 101)
    assert "r0001" in stage.batches[count + 1]
    # Its batch takes no longer than the target, or a quarter of its wait, and one item more.
    waited_s = stage.began_s[count + 1] - submitted_s
    assert len(stage.batches[count + 1]) <= max(0.1, waited_s / 4) / ITEM_S + 1
    assert_nothing_is_left(connection)


def test_bulk_goes_on_behind_a_queue_of_interactive(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """While interactive photos wait all the time, bulk is answered at its share."""
    stage = SlowStage()
    fill(connection, bulk=5, interactive=80)
    with running(stage, broker.url, **TARGETS):
        wait_for_replies(connection, 85)
    order = [request_id for batch in stage.batches for request_id in batch]
    assert order.index("r1000") < 40
    assert order.index("r1004") < order.index("r0079")
    assert_nothing_is_left(connection)


def test_a_long_queue_of_interactive_makes_larger_batches(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Photos that wait for seconds anyhow are run in batches that take longer than the target, and so sooner."""
    stage = SlowStage()
    fill(connection, interactive=120)
    with running(stage, broker.url, **TARGETS):
        wait_for_replies(connection, 120)
    assert max(map(len, stage.batches)) >= 8
    assert max(map(len, stage.batches[:3])) <= 4
    assert_nothing_is_left(connection)


def test_a_batch_that_fails_teaches_nothing(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """One that raises at once would make the device look quick."""
    stage = SlowStage()
    for number in range(12):
        submit(connection, number)
    with running(stage, broker.url, **TARGETS) as worker:
        wait_for_replies(connection, 12)
        known_s = worker.value("songlens_batch_item_seconds")
        for number in range(100, 120):
            submit(connection, number, "raise-run")
        wait_for_replies(connection, 32)
        assert worker.value("songlens_batch_item_seconds") == known_s > 0
    assert_nothing_is_left(connection)
