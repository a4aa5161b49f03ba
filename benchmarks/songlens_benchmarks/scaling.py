"""More workers: do they serve as much more, and where does it end?

First with a slow device, 123 images a second for each worker: only the number of workers bounds it. Then without one:
what bounds it then is the server or the processor, and the rows say which.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from songlens_benchmarks.cpu_times import KNOWN
from songlens_benchmarks.device import NO_DEVICE, Device
from songlens_benchmarks.limits import redis_bytes_per_s
from songlens_benchmarks.payloads import PAYLOAD_BYTES, payloads
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.simulated import simulated
from songlens_benchmarks.turns import in_turns
from songlens_shared.broker import connect
from songlens_workers.vision.cpus import available_cpus

SLOW = Device(batch_ms=50.0, image_ms=5.0)
_BATCH = 16
_IN_FLIGHT_PER_WORKER = 64
_IN_FLIGHT = 256
_LINEAR = Target(of="baseline", at_least=0.95)


def run(effort: Effort) -> Iterator[Row]:
    """Yield requests a second by workers, and by partitions."""
    yield from _with_a_device(effort)
    yield from _without(effort)


def _with_a_device(effort: Effort) -> Iterator[Row]:
    counts = (1, 2) if effort.quick else (1, 2, 4, 8)
    photos = payloads(64)
    measured: dict[int, Recorded] = {}
    with ExitStack() as stack:
        for workers in counts:
            system = stack.enter_context(simulated(SLOW, vision=workers, max_batch=_BATCH))
            in_flight = _IN_FLIGHT_PER_WORKER * workers
            measured[workers] = system.load(photos, in_flight=in_flight, seconds=1.5 if effort.quick else 3.0)
        in_turns({str(workers): recorded for workers, recorded in measured.items()}, effort.rounds)
    for workers, recorded in measured.items():
        alone = None if workers == 1 else Reference(f"{workers} times one worker", workers * measured[1].rate)
        yield Row(
            what=_times(workers, "vision worker"),
            value=recorded.rate,
            unit="requests/s",
            baseline=alone,
            limit=Reference(_times(workers, "device"), workers * SLOW.ceiling(_BATCH)),
            target=None if alone is None else _LINEAR,
        )


def _without(effort: Effort) -> Iterator[Row]:
    """Vision workers, song workers, and partitions on one server."""
    arrangements = [(1, 1, 1), (2, 1, 1)] if effort.quick else [(1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 1, 2), (2, 1, 4)]
    photos = payloads(64)
    measured: dict[tuple[int, int, int], Recorded] = {}
    with ExitStack() as stack:
        for arrangement in arrangements:
            vision, songs, partitions = arrangement
            system = stack.enter_context(simulated(NO_DEVICE, vision=vision, songs=songs, partitions=partitions))
            measured[arrangement] = system.load(photos, in_flight=_IN_FLIGHT, seconds=0.5 if effort.quick else 3.0)
        in_turns({str(arrangement): recorded for arrangement, recorded in measured.items()}, effort.rounds)
        with connect(system.url) as connection:
            limit = Reference("as many bytes through Redis", redis_bytes_per_s(connection) / PAYLOAD_BYTES)
    for (vision, songs, partitions), recorded in measured.items():
        what = f"no device, {_times(vision, 'vision worker')}, {songs} of songs, {_times(partitions, 'partition')}"
        yield Row(what=what, value=recorded.rate, unit="requests/s", limit=limit)
        if KNOWN:
            yield _busy(what, recorded)


def _busy(what: str, recorded: Recorded) -> Row:
    cores = recorded.cores()
    return Row(
        what=f"cores busy, {what}",
        value=sum(cores.values()),
        unit="cores",
        limit=Reference("all cores", available_cpus()),
        note=", ".join(f"{name} {busy:.2f}" for name, busy in cores.items())
        + "; the server runs commands in one thread.",
    )


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"
