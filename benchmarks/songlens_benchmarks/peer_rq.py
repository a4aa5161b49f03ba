"""RQ with a job for each image, as somebody new to it would do it: its default serializer, one SimpleWorker."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from songlens_benchmarks.device import Device
from songlens_benchmarks.load import Served
from songlens_benchmarks.payloads import mark
from songlens_benchmarks.programs import Program, ProgramFailed, running
from songlens_shared.broker import connect
from songlens_workers.embedded import EmbeddedBroker

INSTALLED = importlib.util.find_spec("rq") is not None
_QUEUE = "photos"
_START_LIMIT_S = 60.0
_ANSWER_LIMIT_S = 4
"""redis-py gives up a read that waits for longer than 5 s."""


def job(photo: bytes, batch_ms: float, image_ms: float) -> str:
    """What the worker does for one photo: a batch of one."""
    Device(batch_ms, image_ms).run(1)
    return mark(photo)


class Jobs:
    """Has jobs done by one worker, which finishes them in order."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def first(self) -> None:
        """Wait for a job of no weight, that is, until the worker works: it may take its time to start."""
        photo = b"a first photo"
        queued, until_s = self._queue.enqueue(job, photo, 0.0, 0.0), time.monotonic() + _START_LIMIT_S
        while time.monotonic() < until_s and queued.latest_result(timeout=_ANSWER_LIMIT_S) is None:
            pass
        _check(queued, photo, limit_s=_ANSWER_LIMIT_S)

    def served(self, photos: Sequence[bytes], device: Device, *, in_flight: int, seconds: float) -> Served:
        """Keep so many jobs in flight for so long, and look at the result of each."""
        latencies_ms: list[float] = []
        waiting: deque[tuple[Any, bytes, float]] = deque()
        number, started_s = 0, time.perf_counter()
        until_s = started_s + seconds
        while waiting or time.perf_counter() < until_s:
            while len(waiting) < in_flight and time.perf_counter() < until_s:
                photo = photos[number % len(photos)]
                sent_s = time.perf_counter()
                waiting.append((self._queue.enqueue(job, photo, device.batch_ms, device.image_ms), photo, sent_s))
                number += 1
            queued, photo, sent_s = waiting.popleft()
            _check(queued, photo, limit_s=_ANSWER_LIMIT_S)
            latencies_ms.append((time.perf_counter() - sent_s) * 1000)
        return Served(time.perf_counter() - started_s, latencies_ms, number)


def _check(queued: Any, photo: bytes, *, limit_s: int) -> None:
    result = queued.latest_result(timeout=limit_s)
    if result is None or result.return_value != mark(photo):
        raise ProgramFailed("an RQ job did not return its photo's mark.")


@contextmanager
def rq_worker() -> Iterator[Jobs]:
    """Start a server with an append-only file, as Songlens has it, and one worker; end both."""
    from rq import Queue

    with (
        tempfile.TemporaryDirectory(prefix="songlens-") as name,
        EmbeddedBroker(Path(name) / "broker") as broker,
        connect(broker.url) as connection,
    ):
        options = ["--worker-class", "rq.SimpleWorker", "--url", broker.url, "--quiet"]
        worker = Program("the RQ worker", ["-m", "rq.cli", "worker", *options, _QUEUE], log=Path(name) / "rq.log")
        jobs = Jobs(Queue(_QUEUE, connection=connection))
        with running(worker):
            jobs.first()
            yield jobs
