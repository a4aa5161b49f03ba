"""What the queue and the framework cost: 100 KB photos, 64 in flight, one client process, durable queue and replies.

Beside mosec, and beside RQ with a job for each image, all with the same device.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from songlens_benchmarks import peer_mosec, peer_rq
from songlens_benchmarks.cpu_times import KNOWN
from songlens_benchmarks.device import MODEL, NO_DEVICE, Device
from songlens_benchmarks.http_client import HttpClient
from songlens_benchmarks.limits import redis_bytes_per_s
from songlens_benchmarks.load import Served, closed_loop
from songlens_benchmarks.payloads import PAYLOAD_BYTES, payloads
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.simulated import MAX_BATCH, Simulated, simulated
from songlens_benchmarks.turns import in_turns
from songlens_shared.broker import connect

IN_FLIGHT = 64
_OURS, _NO_FILE, _MOSEC, _RQ = "Songlens", "Songlens without append-only file", "mosec", "RQ, a job for each image"
_DEVICES = {"simulated device": MODEL, "no device": NO_DEVICE}
_TARGETS = {
    ("simulated device", _MOSEC): Target(of="baseline", at_least=1.0),
    ("simulated device", _RQ): Target(of="baseline", at_least=15.0),
    ("no device", _MOSEC): Target(of="value", at_least=4000.0),
}
_NOTES = {
    _MOSEC: f"One worker, batches of {MAX_BATCH}, its own HTTP; nothing is kept where it dies.",
    _RQ: "One SimpleWorker, RQ's default serializer, the same server settings.",
}
_PEERS = {_MOSEC: peer_mosec.INSTALLED, _RQ: peer_rq.INSTALLED}

Measured = dict[str, Recorded]
"""By system."""


def run(effort: Effort) -> Iterator[Row]:
    """Yield requests a second, latencies and processor time of each system."""
    for what, device in _DEVICES.items():
        with ExitStack() as stack:
            ours = stack.enter_context(simulated(device))
            measured = _systems(stack, ours, device, seconds=0.5 if effort.quick else 3.0)
            in_turns(measured, effort.rounds)
            limit = _limit(device, ours)
        yield from _rates(measured, what, limit)
        yield from _latencies(measured, what)
        if KNOWN:
            yield from _processor_times(measured, what)


def _systems(stack: ExitStack, ours: Simulated, device: Device, seconds: float) -> Measured:
    """Start whatever is installed; who is not measured rests."""
    photos = payloads(IN_FLIGHT)
    without_file = stack.enter_context(simulated(device, persistent=False))
    measured = {
        _OURS: ours.load(photos, in_flight=IN_FLIGHT, seconds=seconds),
        _NO_FILE: without_file.load(photos, in_flight=IN_FLIGHT, seconds=seconds),
    }
    if _PEERS[_MOSEC]:
        measured[_MOSEC] = _mosec(*stack.enter_context(peer_mosec.mosec(device)), photos, seconds)
    if _PEERS[_RQ]:
        measured[_RQ] = _rq(stack.enter_context(peer_rq.rq_worker()), device, photos, seconds)
    return measured


def _mosec(port: int, pid: int, photos: Sequence[bytes], seconds: float) -> Recorded:
    async def serve() -> Served:
        async with HttpClient(port, IN_FLIGHT) as client:

            async def ask(number: int) -> None:
                await client.ask(photos[number % len(photos)])

            return await closed_loop(ask, in_flight=IN_FLIGHT, seconds=seconds)

    return Recorded(lambda: asyncio.run(serve()), {"client": [os.getpid()], "server and worker": [pid]})


def _rq(queue: peer_rq.Jobs, device: Device, photos: Sequence[bytes], seconds: float) -> Recorded:
    return Recorded(lambda: queue.served(photos, device, in_flight=IN_FLIGHT, seconds=seconds), {})


def _limit(device: Device, system: Simulated) -> Reference:
    if device is not NO_DEVICE:
        return Reference(f"the device in batches of {MAX_BATCH}", device.ceiling(MAX_BATCH))
    with connect(system.url) as connection:
        return Reference("as many bytes through Redis", redis_bytes_per_s(connection) / PAYLOAD_BYTES)


def _rates(measured: Measured, what: str, limit: Reference) -> Iterator[Row]:
    for peer, installed in _PEERS.items():
        yield Row(
            what=f"{_OURS}, {what}, beside {peer}",
            value=measured[_OURS].rate,
            unit="requests/s",
            baseline=Reference(peer, measured[peer].rate) if installed else None,
            limit=limit,
            target=_TARGETS.get((what, peer)) if installed else None,
            note="" if installed else f"{peer} is not installed here.",
        )
    for system in (_NO_FILE, *(peer for peer, installed in _PEERS.items() if installed)):
        rate, note = measured[system].rate, _NOTES.get(system, "")
        yield Row(what=f"{system}, {what}", value=rate, unit="requests/s", limit=limit, note=note)


def _latencies(measured: Measured, what: str) -> Iterator[Row]:
    for share in (0.5, 0.99):
        for system, recorded in measured.items():
            yield Row(what=f"p{share * 100:.0f} of {system}, {what}", value=recorded.latency_ms(share), unit="ms")


def _processor_times(measured: Measured, what: str) -> Iterator[Row]:
    for system, recorded in measured.items():
        for process, taken_us in recorded.cpu_us().items():
            yield Row(what=f"processor time a request, {system}, {what}: {process}", value=taken_us, unit="µs")
