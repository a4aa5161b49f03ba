"""A small real stage, and a real worker around it in a thread or in a process of its own.

What an entry's payload says decides what becomes of it: `refuse-prepare`, `crash-prepare`, `kill-prepare`,
`end-prepare`, `return-prepare`, `refuse-run`, `crash-run`, and anything else is answered.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import redis
from prometheus_client import CollectorRegistry

from songlens_shared import functions
from songlens_shared.broker import connect
from songlens_shared.codec import decode_reply
from songlens_shared.errors import BadImage, NoModel
from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK, INTERACTIVE, PartitionKeys
from songlens_shared.messages import Reply, Request
from songlens_workers.runtime.claims import Claims, Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.health import Pulse
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.stage import Answer, HandOver, Outcome, Stage, Work
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.runtime.worker import StageWorker
from songlens_workers.settings import StageSettings

KEYS = PartitionKeys()
GROUP = "vision"
CLIENT = "tester"
INTERACTIVE_STREAM = KEYS.requests(INTERACTIVE)
BULK_STREAM = KEYS.requests(BULK)
INLETS = (Inlet(KEYS, INTERACTIVE_STREAM), Inlet(KEYS, BULK_STREAM, share=0.25))


def submit(
    connection: redis.Redis,
    number: int,
    payload: str = "photo",
    *,
    lane: str = INTERACTIVE,
    ttl_ms: int = 600_000,
    keys: PartitionKeys = KEYS,
) -> str:
    """Queue an entry with the real function; return its request id."""
    request = Request(id=f"r{number:04}", client=CLIENT, image=b"-", lane=lane, ttl_ms=ttl_ms)
    answer = functions.submit(keys, request, payload.encode()).on(connection)
    assert answer[0] == b"accepted", answer
    return request.id


def submit_many(connection: redis.Redis, count: int, payload: Callable[[int], str] = lambda number: "photo") -> None:
    """Queue entries 0 to `count` - 1."""
    for number in range(count):
        submit(connection, number, payload(number))


def replies(connection: redis.Redis, keys: PartitionKeys = KEYS) -> list[Reply]:
    """Return every reply on the durable channel, each decoded."""
    entries = cast(list[tuple[bytes, dict[bytes, bytes]]], connection.xrange(keys.replies(CLIENT)))
    return [decode_reply(fields[b"m"]) for _, fields in entries]


def codes(connection: redis.Redis) -> dict[str, str]:
    """Return ok or the error code of each request; no request has two replies."""
    found = replies(connection)
    by_id = {reply.id: reply.error.code if reply.error else "ok" for reply in found}
    assert len(by_id) == len(found), "a request was answered twice"
    return by_id


def assert_nothing_is_left(connection: redis.Redis, *streams: str) -> None:
    """No entry waits or is pending, and the byte counters are back at nothing."""
    for stream in streams or (INTERACTIVE_STREAM, BULK_STREAM):
        assert connection.xlen(stream) == 0
        assert pending(connection, stream) == {}
        assert int(connection.get(KEYS.bytes_of(stream)) or 0) == 0


def pending(connection: redis.Redis, stream: str = INTERACTIVE_STREAM) -> dict[bytes, int]:
    """Return entry id -> number of deliveries of what is claimed and not ended; nothing before there is a group."""
    try:
        entries: Any = connection.xpending_range(stream, GROUP, "-", "+", 10_000)
    except redis.ResponseError as error:
        assert "NOGROUP" in str(error)
        return {}
    return {entry["message_id"]: entry["times_delivered"] for entry in entries}


def back_date(connection: redis.Redis, consumer: str, idle_ms: int, stream: str = INTERACTIVE_STREAM) -> None:
    """Make every pending entry look as if nobody had renewed it for so long."""
    ids: Any = list(pending(connection, stream))
    connection.xclaim(stream, GROUP, consumer, 0, ids, idle=idle_ms, justid=True)


def wait_until(condition: Callable[[], bool], what: str, *, limit_s: float = 30) -> None:
    """Return as soon as the condition holds; fail the test where it never does."""
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s, f"in vain: {what}"
        time.sleep(0.01)


class EchoStage:
    """Answers every entry, or hands it over; does what a payload says. Its gate holds batches up while it is closed."""

    name = "echo"

    def __init__(self, *, hand_over_to: str | None = None) -> None:
        self._hand_over_to = hand_over_to
        self.prepared: list[str] = []
        self.batches: list[list[str]] = []
        self.running = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def prepare(self, work: Work) -> Delivery | Outcome:
        delivery = work.delivery
        self.prepared.append(delivery.request_id)
        match delivery.payload:
            case b"refuse-prepare":
                raise BadImage("refused while it was prepared")
            case b"crash-prepare":
                raise RuntimeError("crashed while it was prepared")
            case b"end-prepare":
                return self._outcome(delivery)
            case b"return-prepare":
                return NoModel("returned while it was prepared")
            case b"kill-prepare":
                os.kill(os.getpid(), signal.SIGKILL)
        return delivery

    def size_bytes(self, item: Delivery) -> int:
        return len(item.payload)

    def run(self, items: Sequence[Delivery]) -> list[Outcome]:
        self.batches.append([item.request_id for item in items])
        self.running.set()
        self.gate.wait(60)
        for item in items:
            if item.payload == b"crash-run":
                raise RuntimeError("crashed in a batch")
            if item.payload == b"raise-run":
                raise NoModel("raised in a batch")
        return [self._outcome(item) for item in items]

    def _outcome(self, item: Delivery) -> Outcome:
        if item.payload == b"refuse-run":
            return NoModel("refused in a batch")
        if self._hand_over_to is not None:
            return HandOver(self._hand_over_to, lambda: item.payload)
        return Answer(Reply(id=item.request_id, status="ok", model="v1"))

    def ready(self) -> list[str]:
        return []


class Running:
    """A stage worker in a thread of its own."""

    def __init__(
        self,
        stage: Stage[Any],
        url: str,
        *,
        inlets: Sequence[Inlet] = INLETS,
        group: str = GROUP,
        tracing: Tracing | None = None,
        **given: Any,
    ) -> None:
        settings = StageSettings(redis_url=url, **({"consumer": "worker", "heartbeat_ms": 100} | given))
        self.registry = CollectorRegistry()
        self.pulse = Pulse(settings.stuck_s)
        self.connection = connect(url)
        self.worker = StageWorker(
            stage,
            settings,
            connection=self.connection,
            claims=Claims(self.connection, inlets=inlets, group=group, consumer=settings.consumer),
            clock=ServerClock(),
            metrics=StageMetrics(self.registry, stage.name),
            pulse=self.pulse,
            tracing=tracing,
        )
        self.error: BaseException | None = None
        # Of a test that failed no thread may keep the test run alive; the worker's own threads take after this one.
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self.error = error

    def start(self) -> None:
        self._thread.start()

    def join(self, limit_s: float = 30) -> None:
        """Wait until `run` has returned, and raise what it raised."""
        self._thread.join(limit_s)
        assert not self._thread.is_alive(), "the worker does not end"
        self.connection.close()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Drain and end."""
        self.worker.stop()
        self.join()

    def value(self, name: str, **labels: str) -> float:
        """Return a metric's value, 0 where nothing was counted. It is counted after Redis has taken the outcome."""
        return self.registry.get_sample_value(name, {"stage": "echo", **labels}) or 0.0


@contextmanager
def running(stage: EchoStage, url: str, **given: Any) -> Iterator[Running]:
    """A worker that drains at the end of the block."""
    worker = Running(stage, url, **given)
    worker.start()
    try:
        yield worker
    finally:
        stage.gate.set()
        worker.worker.stop()
        worker.join()


def start_process(url: str, consumer: str) -> subprocess.Popen[bytes]:
    """Start a worker process with this stage; it ends by a signal, or when a `kill-prepare` kills it."""
    return subprocess.Popen(
        [sys.executable, __file__, url, consumer], env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    )


def _main(url: str, consumer: str) -> None:
    worker = Running(EchoStage(), url, consumer=consumer, takeover_ms=400)
    signal.signal(signal.SIGTERM, lambda *_: worker.worker.stop())
    worker.worker.run()


if __name__ == "__main__":
    _main(*sys.argv[1:])
