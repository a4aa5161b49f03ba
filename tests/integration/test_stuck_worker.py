"""A worker that hangs keeps nothing from the others, and says that it hangs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from stages import (
    CLIENT,
    KEYS,
    EchoStage,
    Running,
    assert_nothing_is_left,
    codes,
    pending,
    running,
    submit,
    submit_many,
    wait_until,
)

from songlens_shared.functions import Delivery
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.stage import Outcome, Work

TIMES: dict[str, Any] = {"stuck_s": 0.6, "heartbeat_ms": 50, "takeover_ms": 400, "drain_s": 5}


class HangingStage(EchoStage):
    """Hangs where a payload says so, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def prepare(self, work: Work) -> Delivery:
        delivery = super().prepare(work)
        if delivery.payload == b"hang-prepare":
            assert self.released.wait(60)
        return delivery

    def run(self, items: Sequence[Delivery]) -> list[Outcome]:
        if any(item.payload == b"hang-run" for item in items):
            self.running.set()
            assert self.released.wait(60)
        return super().run(items)


@pytest.fixture
def hanging() -> Iterator[HangingStage]:
    stage = HangingStage()
    yield stage
    stage.released.set()


def answered(connection: redis.Redis) -> int:
    return int(connection.xlen(KEYS.replies(CLIENT)))


def test_a_photo_that_hangs_here_is_answered_elsewhere(
    connection: redis.Redis, broker: EmbeddedBroker, hanging: HangingStage
) -> None:
    """Past stuck_s it is given up, another worker answers it, and the worker says what is wrong until it is over."""
    submit(connection, 1, "hang-prepare")
    with running(hanging, broker.url, consumer="hanging", **TIMES) as first:
        wait_until(lambda: hanging.prepared == ["r0001"], "the photo that hangs")
        with running(EchoStage(), broker.url, consumer="other", **TIMES) as second:
            wait_until(lambda: answered(connection) == 1, "the answer of another worker")
            assert second.value("songlens_takeovers_total") == 1
        # Either of its two threads may have taken the photo.
        assert [fault for fault in first.pulse.faults() if re.match("the prepare_[01] loop has stood still", fault)]
        submit(connection, 2)
        wait_until(lambda: answered(connection) == 2, "an answer by the thread that is left")
        hanging.released.set()
        wait_until(lambda: first.pulse.faults() == [], "a worker that is ready again")
        assert first.value("songlens_in_flight") == 0
    assert codes(connection) == {"r0001": "ok", "r0002": "ok"}
    assert_nothing_is_left(connection)


def test_without_a_limit_it_is_nobodys(connection: redis.Redis, broker: EmbeddedBroker, hanging: HangingStage) -> None:
    """With stuck_s out of reach its entry is renewed and renewed: the test above can fail."""
    submit(connection, 1, "hang-prepare")
    times = TIMES | {"stuck_s": 600}
    with running(hanging, broker.url, consumer="hanging", **times):
        wait_until(lambda: hanging.prepared == ["r0001"], "the photo that hangs")
        with running(EchoStage(), broker.url, consumer="other", **times) as second:
            for number in range(2, 40):
                submit(connection, number)
            wait_until(lambda: answered(connection) == 38, "all others")
            with pytest.raises(AssertionError, match="in vain"):
                wait_until(lambda: answered(connection) == 39, "the photo that hangs", limit_s=2)
            assert second.value("songlens_takeovers_total") == 0
        hanging.released.set()


def test_what_waits_behind_hung_threads_goes_to_others(
    connection: redis.Redis, broker: EmbeddedBroker, hanging: HangingStage
) -> None:
    """With all of its threads hung a worker renews nothing and claims nothing: others answer everything it held."""
    submit_many(connection, 10, lambda number: "hang-prepare" if number == 0 else "photo")
    with running(hanging, broker.url, consumer="hanging", prepare_threads=1, **TIMES) as first:
        wait_until(lambda: len(pending(connection)) == 10, "all entries in the hands of the worker that hangs")
        with running(EchoStage(), broker.url, consumer="other", **TIMES):
            wait_until(lambda: answered(connection) == 10, "the answers of another worker")
        assert first.worker.faults() == []
        assert first.pulse.faults() != []
        hanging.released.set()
        wait_until(lambda: first.value("songlens_in_flight") == 0, "nothing in its hands")
    assert set(codes(connection).values()) == {"ok"}
    assert_nothing_is_left(connection)


def test_a_photo_that_hangs_everywhere_becomes_a_dead_letter(
    connection: redis.Redis, broker: EmbeddedBroker, hanging: HangingStage
) -> None:
    """After max_deliveries tries its client is told of a fault of ours; photos beside it are answered."""
    submit_many(connection, 5, lambda number: "hang-prepare" if number == 2 else "photo")
    with running(hanging, broker.url, max_deliveries=2, prepare_threads=3, **TIMES):
        wait_until(lambda: answered(connection) == 5, "all answers")
        assert hanging.prepared.count("r0002") == 2
        hanging.released.set()
    assert codes(connection) == {f"r{number:04}": "internal" if number == 2 else "ok" for number in range(5)}
    ((_, letter),) = connection.xrange(KEYS.dead)  # type: ignore[misc]
    assert letter[b"error"] == b"preparing the entry took longer than 0.6 s"
    assert_nothing_is_left(connection)


def test_a_batch_that_hangs_goes_to_others(
    connection: redis.Redis, broker: EmbeddedBroker, hanging: HangingStage
) -> None:
    """The same for the thread that runs batches; it counts as standing still, and what comes too late is refused."""
    submit_many(connection, 6, lambda number: "hang-run")
    with running(hanging, broker.url, consumer="hanging", **TIMES) as first:
        assert hanging.running.wait(10)
        wait_until(lambda: any("batch" in fault for fault in first.pulse.faults()), "a worker that is not ready")
        with running(EchoStage(), broker.url, consumer="other", **TIMES):
            wait_until(lambda: answered(connection) == 6, "the answers of another worker")
        hanging.released.set()
        wait_until(lambda: first.pulse.faults() == [], "a worker that is ready again")
        wait_until(lambda: first.value("songlens_deliveries_refused_total") > 0, "outcomes that came too late")
    assert set(codes(connection).values()) == {"ok"}
    assert_nothing_is_left(connection)


def test_a_thread_that_hangs_does_not_keep_the_process(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A worker process with a hung thread ends on SIGTERM, past its drain limit, with 0; another has its entry."""
    submit(connection, 1, "hang-prepare")
    process = subprocess.Popen(
        [sys.executable, __file__, broker.url],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])},
    )
    try:
        wait_until(lambda: bool(pending(connection)), "a claimed entry")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    with running(EchoStage(), broker.url, consumer="heir"):
        wait_until(lambda: answered(connection) == 1, "the answer of another worker")
    assert_nothing_is_left(connection)


def _main(url: str) -> None:
    worker = Running(HangingStage(), url, consumer="hanging", drain_s=0.2)
    signal.signal(signal.SIGTERM, lambda *_: worker.worker.stop())
    worker.worker.run()


if __name__ == "__main__":
    _main(*sys.argv[1:])
