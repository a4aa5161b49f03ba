"""The functions of a request's way, a call at a time and sixteen at once, beside plain commands of the same effect."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import redis

from songlens_benchmarks.limits import redis_bytes_per_s
from songlens_benchmarks.programs import ProgramFailed
from songlens_benchmarks.queue_steps import REQUEST, ByCommands, ByFunctions, Steps, claims
from songlens_benchmarks.row import Effort, Reference, Row
from songlens_shared.broker import connect
from songlens_shared.functions import Delivery
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.claims import Claims

_AT_ONCE = {"alone": 1, "16 at once": 16}
_numbers = count()


def run(effort: Effort) -> Iterator[Row]:
    """Yield calls a second."""
    with (
        tempfile.TemporaryDirectory(prefix="songlens-") as folder,
        EmbeddedBroker(Path(folder), persistent=False) as broker,
        connect(broker.url) as connection,
    ):
        load_functions(connection)
        ways: dict[str, Steps] = {"ours": ByFunctions(), "plain": ByCommands()}
        for name, at_once in _AT_ONCE.items():
            found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            for _ in range(effort.rounds):
                for way, steps in ways.items():
                    found[way].append(_rates(connection, steps, 64 if effort.quick else 512, at_once))
            limit = Reference("as many bytes in and out, pipelined", redis_bytes_per_s(connection) / len(REQUEST))
            for step in found["ours"][0]:
                ours, plain = (median(rates[step] for rates in found[way]) for way in ways)
                yield Row(
                    what=f"{step}, {name}",
                    value=ours,
                    unit="calls/s",
                    baseline=Reference("plain commands", plain),
                    limit=limit if step == "submit" else None,
                )


def _rates(connection: redis.Redis, steps: Steps, requests: int, at_once: int) -> dict[str, float]:
    """Return the calls a second of each step, on so many requests that pass through the queue from end to end."""
    vision, songs = claims(connection, steps.partition)
    ids = [f"r{next(_numbers)}" for _ in range(requests)]
    rates = {"submit": _rate(connection, steps.submit, ids, at_once)}
    rates["hand over"] = _rate(connection, steps.hand_over, _claimed(vision, requests), at_once)
    rates["finish"] = _rate(connection, steps.finish, _claimed(songs, requests), at_once)
    return rates


def _claimed(source: Claims, count: int) -> list[Delivery]:
    """Return so many entries: those of the step before, and none that an earlier round left behind."""
    found = source.claim(2 * count, 1000)
    if len(found) != count:
        raise ProgramFailed(f"of {count} requests {len(found)} reached the next step.")
    return found


def _rate(connection: redis.Redis, send: Callable[[Any, Any], None], items: Sequence[Any], at_once: int) -> float:
    seconds = 0.0
    for start in range(0, len(items), at_once):
        pipeline = connection.pipeline(transaction=False)
        for item in items[start : start + at_once]:
            send(pipeline, item)
        began_s = time.perf_counter()
        pipeline.execute()
        seconds += time.perf_counter() - began_s
    return len(items) / seconds
