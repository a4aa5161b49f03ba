"""A stage's worker on a real server: whatever happens, every entry ends exactly once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import redis
from stages import (
    BULK_STREAM,
    CLIENT,
    GROUP,
    INLETS,
    INTERACTIVE_STREAM,
    KEYS,
    EchoStage,
    Running,
    assert_nothing_is_left,
    back_date,
    codes,
    pending,
    replies,
    running,
    start_process,
    submit,
    submit_many,
    wait_until,
)

from songlens_shared import functions
from songlens_shared.broker import connect
from songlens_shared.keys import BULK
from songlens_shared.messages import Reply, Request
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.claims import Claims
from songlens_workers.runtime.stage import Answer, HandOver
from songlens_workers.runtime.worker import DRAINED


def wait_for_replies(connection: redis.Redis, count: int) -> None:
    wait_until(lambda: int(connection.xlen(KEYS.replies(CLIENT))) >= count, f"{count} replies")


def dead_letters(connection: redis.Redis) -> list[dict[bytes, bytes]]:
    entries: Any = connection.xrange(KEYS.dead)
    return [fields for _, fields in entries]


def test_every_entry_is_answered_once(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Requests queued before and while the worker runs, in both lanes, each get one reply, and nothing is left over."""
    submit_many(connection, 50)
    with running(EchoStage(), broker.url) as worker:
        for number in range(50, 100):
            submit(connection, number, lane=BULK)
        wait_for_replies(connection, 100)
    assert worker.value("songlens_requests_total", code="ok") == 100
    assert worker.value("songlens_batch_size_sum") == 100
    assert worker.value("songlens_in_flight") == 0
    assert codes(connection) == {f"r{number:04}": "ok" for number in range(100)}
    assert_nothing_is_left(connection)
    stored = connection.get(KEYS.result("r0007"))
    assert stored in [fields[b"m"] for _, fields in connection.xrange(KEYS.replies(CLIENT))]  # type: ignore[union-attr]


def test_what_is_handed_over_is_the_next_stages(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A handed over entry lies in the next stream with its id, client and deadline, and no longer in the first."""
    request_id = submit(connection, 1, "to be handed over", ttl_ms=60_000)
    with running(EchoStage(hand_over_to=KEYS.hits), broker.url):
        wait_until(lambda: connection.xlen(KEYS.hits) == 1, "the entry in the next stream")
    ((_, fields),) = connection.xrange(KEYS.hits)  # type: ignore[misc]
    assert fields[b"id"].decode() == request_id
    assert (fields[b"m"], fields[b"client"]) == (b"to be handed over", CLIENT.encode())
    assert int(fields[b"deadline"]) > time.time() * 1000
    assert int(connection.get(KEYS.bytes_of(KEYS.hits)) or 0) == len(b"to be handed over")
    assert_nothing_is_left(connection)
    assert replies(connection) == []


def test_what_needs_no_batch_ends_at_once(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """An outcome that preparing returns is sent while the batch stands still: a reply, an error or a hand-over."""
    stage = EchoStage()
    stage.gate.clear()
    submit(connection, 0)
    with running(stage, broker.url, max_delay_ms=0) as worker:
        assert stage.running.wait(10)
        submit(connection, 1, "end-prepare")
        submit(connection, 2, "return-prepare")
        wait_for_replies(connection, 2)
        assert codes(connection) == {"r0001": "ok", "r0002": "no_model"}
        stage.gate.set()
        wait_for_replies(connection, 3)
    assert stage.batches == [["r0000"]]
    assert worker.value("songlens_batch_size_sum") == 1
    assert worker.value("songlens_requests_total", code="ok") == 2
    assert worker.value("songlens_in_flight") == 0
    assert_nothing_is_left(connection)


def test_what_needs_no_batch_is_handed_over_at_once(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """It lies in the next stream, no longer in the first, and no batch was run."""
    stage = EchoStage(hand_over_to=KEYS.hits)
    submit(connection, 1, "end-prepare")
    with running(stage, broker.url):
        wait_until(lambda: connection.xlen(KEYS.hits) == 1, "the entry in the next stream")
    assert stage.batches == []
    assert_nothing_is_left(connection)


def test_refusals_carry_their_code(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A RequestError that preparing raises, or that a batch returns or raises, is answered with its code."""
    payloads = ["photo", "refuse-prepare", "refuse-run", "raise-run", "photo"]
    submit_many(connection, 5, payloads.__getitem__)
    with running(EchoStage(), broker.url, max_delay_ms=50) as worker:
        wait_for_replies(connection, 5)
    for code, count in (("ok", 2), ("bad_image", 1), ("no_model", 2)):
        assert worker.value("songlens_requests_total", code=code) == count
    assert codes(connection) == {
        "r0000": "ok",
        "r0001": "bad_image",
        "r0002": "no_model",
        "r0003": "no_model",
        "r0004": "ok",
    }
    messages = {reply.id: reply.error.message for reply in replies(connection) if reply.error}
    assert messages["r0001"] == "refused while it was prepared"
    assert messages["r0003"] == "raised in a batch"
    assert_nothing_is_left(connection)
    assert dead_letters(connection) == []


def test_a_bad_item_fails_alone(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A batch that fails is halved until the item that breaks it stands alone; all others are answered."""
    stage = EchoStage()
    stage.gate.clear()
    submit_many(connection, 16, lambda number: "crash-run" if number == 5 else "photo")
    with running(stage, broker.url, max_batch=16, max_delay_ms=1000, max_deliveries=1):
        assert stage.running.wait(10)
        stage.gate.set()
        wait_for_replies(connection, 16)
    assert codes(connection) == {f"r{number:04}": "internal" if number == 5 else "ok" for number in range(16)}
    assert ["r0005"] in stage.batches
    assert len(stage.batches) <= 1 + 2 * 4  # 16, 8 + 8, 4 + 4, 2 + 2, 1 + 1
    assert_nothing_is_left(connection)


@pytest.mark.parametrize("payload", ["crash-run", "crash-prepare"])
def test_what_always_fails_becomes_a_dead_letter(connection: redis.Redis, broker: EmbeddedBroker, payload: str) -> None:
    """After max_deliveries tries the client is told of an internal fault, and the payload is kept for a person."""
    stage = EchoStage()
    submit(connection, 1, payload)
    submit(connection, 2)
    with running(stage, broker.url, max_deliveries=3) as worker:
        wait_for_replies(connection, 2)
    assert worker.value("songlens_takeovers_total") == 2
    assert worker.value("songlens_requests_total", code="internal") == 1
    assert stage.prepared.count("r0001") == 3
    assert codes(connection) == {"r0001": "internal", "r0002": "ok"}
    (letter,) = dead_letters(connection)
    assert (letter[b"m"], letter[b"id"], letter[b"client"]) == (payload.encode(), b"r0001", CLIENT.encode())
    assert (letter[b"stage"], letter[b"deliveries"]) == (b"echo", b"3")
    assert letter[b"source"].decode() == INTERACTIVE_STREAM
    assert_nothing_is_left(connection)


def test_old_dead_letters_go_without_a_new_one(
    connection: redis.Redis, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running worker looks for them, for a photo is not to be kept until by chance another one fails."""
    monkeypatch.setattr("songlens_workers.runtime.keeper._SYNC_EVERY_S", 0.0)
    seconds, _ = connection.time()
    for age_s in (90, 30):
        connection.xadd(KEYS.dead, {"id": f"{age_s} s", "m": b"photo"}, id=f"{(seconds - age_s) * 1000}-0")
    with running(EchoStage(), broker.url, dead_ttl_s=60):
        wait_until(lambda: connection.xlen(KEYS.dead) == 1, "the old letter is deleted")
    assert [letter[b"id"] for _, letter in connection.xrange(KEYS.dead)] == [b"30 s"]


def test_expired_entries_are_never_prepared(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Work that nobody waits for any more is answered before anything is spent on it."""
    submit(connection, 1, ttl_ms=1)
    submit(connection, 2)
    wait_until(lambda: connection.time()[1] % 1000 != 0, "a millisecond")
    time.sleep(0.002)
    stage = EchoStage()
    with running(stage, broker.url):
        wait_for_replies(connection, 2)
    assert codes(connection) == {"r0001": "deadline_exceeded", "r0002": "ok"}
    assert stage.prepared == ["r0002"]
    assert_nothing_is_left(connection)


def test_what_expires_before_its_batch_is_not_run(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """An entry that ran out of time behind a long batch is answered, not run; the batches before it were."""
    stage = EchoStage()
    stage.gate.clear()
    submit(connection, 1)
    with running(stage, broker.url, max_delay_ms=0) as worker:
        assert stage.running.wait(10)
        submit(connection, 2, ttl_ms=300)
        submit(connection, 3)
        wait_until(lambda: len(stage.prepared) == 3, "all prepared")
        time.sleep(0.35)
        stage.gate.set()
        wait_for_replies(connection, 3)
    assert worker.value("songlens_requests_total", code="deadline_exceeded") == 1
    assert codes(connection) == {"r0001": "ok", "r0002": "deadline_exceeded", "r0003": "ok"}
    assert stage.batches == [["r0001"], ["r0003"]]


def test_foreign_entries_are_answered_and_ended(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """An entry that was not queued by our function, without a deadline or any field, does not stay for ever."""
    with running(EchoStage(), broker.url):
        connection.xadd(INTERACTIVE_STREAM, {"hello": "world"})
        connection.xadd(INTERACTIVE_STREAM, {"m": "photo", "id": "theirs", "client": CLIENT})
        wait_until(lambda: connection.xlen(INTERACTIVE_STREAM) == 0, "both ended")
    assert codes(connection) == {"theirs": "bad_request"}
    (reply,) = replies(connection)
    assert reply.error is not None
    assert "songlens_submit" in reply.error.message
    assert pending(connection) == {}


def test_entries_of_a_silent_worker_are_taken_over(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """What was claimed by somebody who never came back is done by another, counted as a takeover."""
    silent = Claims(connection, inlets=INLETS, group=GROUP, consumer="silent")
    silent.ensure_groups()
    submit_many(connection, 20)
    assert len(silent.claim(20, 0)) == 20
    with running(EchoStage(), broker.url, takeover_ms=60_000) as worker:
        submit(connection, 100)
        wait_for_replies(connection, 1)
        assert set(codes(connection)) == {"r0100"}  # the others are not abandoned yet
        back_date(connection, "silent", 60_000)
        wait_for_replies(connection, 21)
    assert worker.value("songlens_takeovers_total") == 20
    assert set(codes(connection).values()) == {"ok"}
    assert_nothing_is_left(connection)


def test_a_long_batch_is_not_taken_for_death(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """While a batch runs far longer than takeover_ms, heartbeats keep its entries from the other worker."""
    slow, other = EchoStage(), EchoStage()
    slow.gate.clear()
    submit_many(connection, 4)
    with running(slow, broker.url, consumer="slow", heartbeat_ms=50, takeover_ms=400) as first:
        assert slow.running.wait(10)
        with running(other, broker.url, consumer="other", heartbeat_ms=50, takeover_ms=400) as second:
            time.sleep(1.6)  # several looks for abandoned entries
            assert second.value("songlens_takeovers_total") == 0
            slow.gate.set()
            wait_for_replies(connection, 4)
    assert first.value("songlens_requests_total", code="ok") == 4
    assert other.prepared == []
    assert_nothing_is_left(connection)


def test_an_entry_in_two_hands_is_answered_once(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A worker that was paused comes back with what another has finished: its outcome is refused, not doubled."""
    paused, heir = EchoStage(), EchoStage()
    paused.gate.clear()
    submit(connection, 1)
    with running(paused, broker.url, consumer="paused", heartbeat_ms=20_000, takeover_ms=60_000) as first:
        assert paused.running.wait(10)
        back_date(connection, "paused", 60_000)
        with running(heir, broker.url, consumer="heir", takeover_ms=60_000, heartbeat_ms=20_000):
            wait_for_replies(connection, 1)
        paused.gate.set()
    assert first.value("songlens_deliveries_refused_total") == 1
    assert first.value("songlens_requests_total", code="ok") == 0
    assert codes(connection) == {"r0001": "ok"}
    assert_nothing_is_left(connection)


def test_stop_drains(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """After stop nothing new is claimed, all that is held is finished, and run returns; the rest is another's."""
    stage = EchoStage()
    stage.gate.clear()
    worker = Running(stage, broker.url, max_batch=4, max_in_flight=10, max_delay_ms=10_000)
    submit_many(connection, 30)
    worker.start()
    wait_until(lambda: len(pending(connection)) == 10, "as many in flight as may be")
    assert stage.running.wait(10)
    worker.worker.stop()
    stage.gate.set()
    worker.join()
    answered = len(codes(connection))
    assert 10 <= answered <= 14  # a claim may have been on its way
    assert pending(connection) == {}
    assert connection.xlen(INTERACTIVE_STREAM) == 30 - answered
    assert worker.value("songlens_batches_total", reason="drain") >= 1
    with running(EchoStage(), broker.url, consumer="next"):
        wait_for_replies(connection, 30)
    assert set(codes(connection).values()) == {"ok"}
    assert_nothing_is_left(connection)


def test_a_drained_worker_stays(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """After drain nothing new is claimed and all that is held is finished; the worker says so, and runs until stop."""
    stage = EchoStage()
    stage.gate.clear()
    worker = Running(stage, broker.url, max_batch=4, max_in_flight=10, max_delay_ms=10_000, stuck_s=0.5, drain_s=0.1)
    submit_many(connection, 30)
    worker.start()
    wait_until(lambda: len(pending(connection)) == 10, "as many in flight as may be")
    assert worker.worker.faults() == []
    worker.worker.drain()
    [fault] = worker.worker.faults()
    assert fault.startswith("draining: 1") and fault.endswith(" in flight")
    stage.gate.set()
    wait_until(lambda: worker.worker.faults() == [DRAINED], "drained")
    answered = len(codes(connection))
    assert 10 <= answered <= 14  # a claim may have been on its way
    assert pending(connection) == {}
    time.sleep(0.7)
    assert worker.pulse.faults() == []  # nobody takes it for a hanging one
    assert len(codes(connection)) == answered
    worker.stop()
    with running(EchoStage(), broker.url, consumer="next"):
        wait_for_replies(connection, 30)
    assert_nothing_is_left(connection)


def test_stop_after_drain_counts_from_there(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A worker that was asked to drain, and stopped when that took too long, gives back what it holds at once."""
    stage = EchoStage()
    stage.gate.clear()
    worker = Running(stage, broker.url, max_batch=1, max_delay_ms=0, drain_s=0.2, takeover_ms=600_000)
    submit_many(connection, 3)
    worker.start()
    assert stage.running.wait(10)
    worker.worker.drain()
    time.sleep(0.3)
    worker.worker.stop()
    stage.gate.set()
    worker.join()
    assert len(codes(connection)) <= 1
    with running(EchoStage(), broker.url, consumer="heir", takeover_ms=600_000):
        wait_for_replies(connection, 3)
    assert_nothing_is_left(connection)


def test_what_is_left_past_the_drain_limit_is_given_back(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A worker that cannot finish in drain_s leaves its entries pending and free for others at once."""
    stage = EchoStage()
    stage.gate.clear()
    much = {"max_batch": 1, "target_ms_bulk": 0}  # claimed at once, however slow the stage may be
    worker = Running(stage, broker.url, max_delay_ms=0, drain_s=0.2, takeover_ms=600_000, **much)
    submit_many(connection, 10)
    worker.start()
    wait_until(lambda: len(stage.prepared) == 10, "all prepared")
    assert stage.running.wait(10)
    worker.worker.stop()
    time.sleep(0.3)
    stage.gate.set()
    worker.join()
    left = pending(connection)
    assert 8 <= len(left) == 10 - len(codes(connection))
    heir = EchoStage()
    with running(heir, broker.url, consumer="heir", takeover_ms=600_000):
        wait_for_replies(connection, 10)
    assert set(codes(connection).values()) == {"ok"}
    assert len(heir.prepared) == len(left)
    assert_nothing_is_left(connection)


def test_stop_twice_does_not_begin_anew(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Ctrl-C reaches a worker from the terminal and from `songlens up`: the drain limit counts from the first."""
    stage = EchoStage()
    stage.gate.clear()
    worker = Running(stage, broker.url, max_batch=1, drain_s=0.5)
    submit_many(connection, 3)
    worker.start()
    assert stage.running.wait(10)
    started_s = time.monotonic()
    worker.worker.stop()
    time.sleep(0.4)
    worker.worker.stop()
    wait_until(lambda: time.monotonic() > started_s + 0.6, "past the first limit")
    stage.gate.set()
    worker.join()
    assert len(codes(connection)) == 1


def test_in_flight_is_bounded_under_load(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """However much waits, in both lanes, a worker never has more than max_in_flight entries claimed."""
    stage = EchoStage()
    for number in range(200):
        submit(connection, number, lane=BULK if number % 3 else "interactive")
    most = 0
    with running(stage, broker.url, max_in_flight=9, max_batch=4, max_delay_ms=0):
        while int(connection.xlen(KEYS.replies(CLIENT))) < 200:
            most = max(most, len(pending(connection)) + len(pending(connection, BULK_STREAM)))
    # Two looks at two streams are no snapshot: an entry may have moved from one count into the other.
    assert 4 <= most <= 9 + 4
    assert max(Counter(len(batch) for batch in stage.batches)) <= 4
    assert len(codes(connection)) == 200


def test_the_bound_is_exact(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """With the batch held up, exactly max_in_flight entries are claimed, though both lanes are full."""
    stage = EchoStage()
    stage.gate.clear()
    for number in range(60):
        submit(connection, number, lane=BULK if number % 2 else "interactive")
    with running(stage, broker.url, max_in_flight=7, max_batch=4, max_delay_ms=0):
        claimed = lambda: len(pending(connection)) + len(pending(connection, BULK_STREAM))  # noqa: E731
        wait_until(lambda: claimed() >= 7, "a full worker")
        time.sleep(0.5)
        assert claimed() == 7
        stage.gate.set()
        wait_for_replies(connection, 60)
    assert len(codes(connection)) == 60


def test_lost_connections_lose_nothing(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """While every connection is cut again and again, each request is still answered, and none twice."""
    stop = threading.Event()

    def cut() -> None:
        with connect(broker.url) as other:
            while not stop.wait(0.03):
                other.client_kill_filter(_type="normal", skipme=True)

    with ThreadPoolExecutor(1) as pool, running(EchoStage(), broker.url, takeover_ms=1000):
        cutting = pool.submit(cut)
        try:
            for number in range(150):
                _patiently(lambda number=number: submit(connection, number))  # type: ignore[misc]
                time.sleep(0.005)
        finally:
            stop.set()
        cutting.result()
        wait_for_replies(connection, 150)
    assert set(codes(connection).values()) == {"ok"}
    assert_nothing_is_left(connection)


def _patiently(attempt: Any) -> None:
    """Submit again where the connection was cut; the same id is queued once, so that a repeat is harmless."""
    while True:
        try:
            attempt()
            return
        except redis.ConnectionError:
            continue
        except AssertionError:  # it had been accepted, and only the answer was lost
            return


def test_a_server_that_lost_the_functions_gets_them_again(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """FUNCTION FLUSH in the middle of a batch: the outcome is sent again after the library was loaded."""
    stage = EchoStage()
    stage.gate.clear()
    submit_many(connection, 5)
    with running(stage, broker.url):
        assert stage.running.wait(10)
        connection.function_flush("SYNC")
        stage.gate.set()
        wait_for_replies(connection, 5)
    assert set(codes(connection).values()) == {"ok"}
    assert_nothing_is_left(connection)


def test_a_server_that_lost_everything_is_served_on(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """After a restart without persistence, streams, groups and functions are made again; new requests are answered."""
    with running(EchoStage(), broker.url) as worker:
        submit(connection, 1)
        wait_for_replies(connection, 1)
        broker.stop()
        wait_until(lambda: bool(worker.worker.faults()), "the worker says that Redis is away")
        broker.start()
        wait_until(lambda: bool(connection.exists(INTERACTIVE_STREAM)), "the groups")
        wait_until(lambda: not worker.worker.faults(), "the worker says that Redis is back")
        load_functions(connection)
        submit(connection, 2)
        wait_for_replies(connection, 1)
    assert codes(connection) == {"r0002": "ok"}


def test_batches_outlast_a_redis_that_is_away(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A batch that is done while the server hangs is delivered when it answers again."""
    stage = EchoStage()
    stage.gate.clear()
    submit_many(connection, 3)
    with running(stage, broker.url) as worker:
        assert stage.running.wait(10)
        with suspended(broker):
            stage.gate.set()
            time.sleep(0.2)
        wait_for_replies(connection, 3)
    assert worker.value("songlens_requests_total", code="ok") == 3
    assert_nothing_is_left(connection)


@contextmanager
def suspended(broker: EmbeddedBroker) -> Iterator[None]:
    """The server stands still: connections stay open, and nothing answers."""
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def test_stop_while_redis_is_away_ends_within_the_drain_limit(broker: EmbeddedBroker, connection: redis.Redis) -> None:
    """A worker that holds finished outcomes and no server to take them gives up, and its entries stay pending."""
    stage = EchoStage()
    stage.gate.clear()
    submit(connection, 1)
    worker = Running(stage, broker.url, drain_s=0.5)
    worker.start()
    assert stage.running.wait(10)
    broker.stop()
    stage.gate.set()
    wait_until(lambda: bool(worker.worker.faults()), "the worker says that Redis is away")
    started_s = time.monotonic()
    worker.stop()
    assert time.monotonic() - started_s < 10


def test_stop_before_redis_ever_answered(broker: EmbeddedBroker) -> None:
    """A worker that waits for its first answer holds nothing, and ends at once when it is told to."""
    broker.stop()
    worker = Running(EchoStage(), broker.url, drain_s=600)
    worker.start()
    wait_until(lambda: bool(worker.worker.faults()), "the worker says that Redis is away")
    worker.stop()


def test_an_unforeseen_fault_of_the_intake_ends_the_worker(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Where a loop dies, run raises its error instead of sitting there with half a worker."""
    worker = Running(EchoStage(), broker.url)
    worker.start()
    submit(connection, 1)
    wait_for_replies(connection, 1)
    connection.delete(BULK_STREAM)
    connection.set(BULK_STREAM, "not a stream")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        worker.join()


def test_an_unforeseen_fault_of_the_pool_ends_the_worker(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """An entry whose preparing ends in an error of ours is not renewed for ever: the worker ends, another takes it."""

    class BrokenStage(EchoStage):
        def prepare(self, work: Any) -> Any:
            raise SystemExit("a library wants to end the process")

    worker = Running(BrokenStage(), broker.url, takeover_ms=600_000)
    submit(connection, 1)
    worker.start()
    with pytest.raises(SystemExit, match="a library"):
        worker.join()
    with running(EchoStage(), broker.url, consumer="heir", takeover_ms=600_000):
        wait_for_replies(connection, 1)
    assert codes(connection) == {"r0001": "ok"}


def test_an_unforeseen_fault_of_a_batch_ends_the_worker(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """The same for the thread that runs batches: intake and keeper end with it, and the entry is given back."""

    class BrokenStage(EchoStage):
        def size_bytes(self, item: Any) -> int:
            raise ValueError("no size")

    worker = Running(BrokenStage(), broker.url, takeover_ms=600_000)
    submit(connection, 1)
    worker.start()
    with pytest.raises(ValueError, match="no size"):
        worker.join()
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("intake", "keeper")]
    with running(EchoStage(), broker.url, consumer="heir", takeover_ms=600_000):
        wait_for_replies(connection, 1)
    assert codes(connection) == {"r0001": "ok"}


def test_one_refused_outcome_disturbs_no_other(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A client whose reply channel is no stream harms itself only: the others of its batch are answered."""
    stage = EchoStage()
    stage.gate.clear()
    connection.set(KEYS.replies("spoilt"), "not a stream")
    submit(connection, 1)
    functions.submit(KEYS, Request(id="r0002", client="spoilt", image=b"-", ttl_ms=60_000), b"photo").on(connection)
    submit(connection, 3)
    with running(stage, broker.url, max_delay_ms=100):
        assert stage.running.wait(10)
        stage.gate.set()
        wait_for_replies(connection, 2)
        submit(connection, 4)
        wait_for_replies(connection, 3)
    assert codes(connection) == {"r0001": "ok", "r0003": "ok", "r0004": "ok"}
    assert connection.get(KEYS.result("r0002"))  # its reply can still be fetched by id
    assert_nothing_is_left(connection)


def test_an_outcome_that_cannot_be_encoded_fails_alone(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A reply that msgpack refuses becomes a dead letter of its own; its batch is delivered."""

    class OddStage(EchoStage):
        def _outcome(self, item: Any) -> Any:
            if item.payload == b"odd":
                return Answer(Reply(id=item.request_id, status="ok", model="\ud800"))
            return super()._outcome(item)

    stage = OddStage()
    stage.gate.clear()
    submit_many(connection, 4, lambda number: "odd" if number == 2 else "photo")
    with running(stage, broker.url, max_delay_ms=100, max_deliveries=2):
        assert stage.running.wait(10)
        stage.gate.set()
        wait_for_replies(connection, 4)
    assert codes(connection) == {"r0000": "ok", "r0001": "ok", "r0002": "internal", "r0003": "ok"}
    (letter,) = dead_letters(connection)
    assert b"encoded" in letter[b"error"]
    assert_nothing_is_left(connection)


def test_messages_are_made_apart_from_batches(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Not by the thread that runs them; one that cannot be made becomes a dead letter of its own."""
    ran_by, made_by = set[int](), set[int]()

    class LateStage(EchoStage):
        def _outcome(self, item: Any) -> Any:
            ran_by.add(threading.get_ident())
            return HandOver(KEYS.hits, partial(self._made, item))

        def _made(self, item: Any) -> bytes:
            made_by.add(threading.get_ident())
            if item.payload == b"odd":
                raise KeyError("no such image")
            return bytes(item.payload)

    submit_many(connection, 4, lambda number: "odd" if number == 2 else "photo")
    with running(LateStage(), broker.url, max_delay_ms=100, max_deliveries=2):
        wait_until(lambda: connection.xlen(KEYS.hits) == 3, "the hits of those that can be made")
        wait_for_replies(connection, 1)
    assert codes(connection) == {"r0002": "internal"}
    assert len(made_by) == 1
    assert not made_by & ran_by


def test_reasons_of_release_are_counted(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Full, timer and deadline: why each batch was released is exported."""
    stage = EchoStage()
    as_long_as_may_be = {"max_delay_ms": 2000, "target_ms_interactive": 0}
    with running(stage, broker.url, max_batch=2, **as_long_as_may_be) as worker:
        submit(connection, 1)
        wait_for_replies(connection, 1)
        submit(connection, 2, ttl_ms=1000)
        wait_for_replies(connection, 2)
        submit(connection, 3)
        submit(connection, 4)
        wait_for_replies(connection, 4)
    reasons = {
        reason: worker.value("songlens_batches_total", reason=reason)
        for reason in ("full", "timer", "deadline", "drain")
    }
    assert reasons == {"timer": 1, "deadline": 1, "full": 1, "drain": 0}
    assert worker.value("songlens_batch_size_count") == len(stage.batches) == 3
    assert worker.value("songlens_stage_seconds_count", step="queue") == 4


def test_a_photo_that_kills_workers_dies_alone(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A photo that kills its process again and again becomes a dead letter; those beside it are all answered."""
    submit_many(connection, 25, lambda number: "kill-prepare" if number == 12 else "photo")
    process, deaths = start_process(broker.url, "worker-0"), 0
    try:
        until_s = time.monotonic() + 60
        while int(connection.xlen(KEYS.replies(CLIENT))) < 25:
            assert time.monotonic() < until_s, f"{deaths} deaths, {codes(connection)}"
            if process.poll() is not None:
                assert process.returncode == -signal.SIGKILL
                deaths += 1
                process = start_process(broker.url, f"worker-{deaths}")
            time.sleep(0.02)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert deaths == 3
    assert codes(connection) == {f"r{number:04}": "internal" if number == 12 else "ok" for number in range(25)}
    (letter,) = dead_letters(connection)
    assert (letter[b"id"], letter[b"m"]) == (b"r0012", b"kill-prepare")
    assert_nothing_is_left(connection)
