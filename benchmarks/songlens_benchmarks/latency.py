"""How long a photo takes while the system is half loaded, and photos come at random times.

A photo may find a batch running, waits for others to come, and is then worked on: longer than the batcher's delay and
two batches it should not take. Those two may be larger than most: so there is a row beside two average batches, and one
beside two of the largest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from songlens_benchmarks.device import MODEL
from songlens_benchmarks.load import Served, open_loop
from songlens_benchmarks.payloads import payloads
from songlens_benchmarks.photographs import jpeg
from songlens_benchmarks.real import LITE2, published
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.saturated import Saturated
from songlens_benchmarks.simulated import Simulated, asking, simulated
from songlens_benchmarks.workers import Counted, Worker, largest_batch_s
from songlens_workers.settings import VisionSettings

BACKBONE = LITE2
_IN_FLIGHT = 64
_MAX_DELAY_MS: float = VisionSettings.model_fields["max_delay_ms"].default


def run(effort: Effort) -> Iterator[Row]:
    """Yield percentiles of the latency at half of what the system can do, with a simulated device and a real one."""
    yield from _with_simulated_device("simulated device", effort)
    yield from _with_simulated_device("simulated device, no append-only file", effort, persistent=False)
    yield from _with_backbone(effort)


def _with_simulated_device(name: str, effort: Effort, *, persistent: bool = True) -> Iterator[Row]:
    photos, seconds = payloads(64), (1.0 if effort.quick else 8.0)
    with simulated(MODEL, persistent=persistent) as system:
        at_most = system.load(photos, in_flight=_IN_FLIGHT, seconds=seconds / 2)()
        yield from _rows(name, lambda: _loaded(system, photos, at_most / 2, seconds), system.vision, effort)


def _loaded(system: Simulated, photos: Sequence[bytes], per_s: float, seconds: float) -> Served:
    async def serve() -> Served:
        async with system.client() as client:
            return await open_loop(asking(client, photos), per_s=per_s, seconds=seconds)

    return asyncio.run(serve())


def _with_backbone(effort: Effort) -> Iterator[Row]:
    photos, seconds = [jpeg(500, 375, seed) for seed in range(32)], (2.0 if effort.quick else 15.0)
    with published(BACKBONE, images=1000, songs=2000) as system, system.serving() as workers:
        whole = Saturated(
            workers, photos, requests=_IN_FLIGHT if effort.quick else 3 * _IN_FLIGHT, in_flight=_IN_FLIGHT
        )
        whole.warm_up()
        at_most = whole()
        yield from _rows(BACKBONE, lambda: whole.at(at_most / 2, seconds), [workers.vision], effort)


def _rows(name: str, loaded: Callable[[], Served], vision: Sequence[Worker], effort: Effort) -> Iterator[Row]:
    half, before = Recorded(loaded, {}), Counted.of(vision)
    for _ in range(effort.rounds):
        half()
    counted = Counted.of(vision).since(before)
    batch_ms = counted.batch_seconds / counted.batches * 1000
    yield Row(what=f"load: half of the most, {name}", value=half.rate, unit="requests/s")
    yield Row(what=f"images in a batch, {name}", value=counted.images / counted.batches, unit="images")
    yield Row(what=f"a batch, its outcomes sent, {name}", value=batch_ms, unit="ms")
    yield Row(what=f"p50, {name}", value=half.latency_ms(0.5), unit="ms")
    largest_ms = median(map(largest_batch_s, vision)) * 1000
    bounds = {"batches as they were": batch_ms, "of the largest batches that the target allows": largest_ms}
    for batches, each_ms in bounds.items():
        yield Row(
            what=f"p99, {name}, beside two {batches}",
            value=half.latency_ms(0.99),
            unit="ms",
            limit=Reference("max_delay and two batches", _MAX_DELAY_MS + 2 * each_ms),
            target=Target(of="limit", at_most=1.0),
        )
