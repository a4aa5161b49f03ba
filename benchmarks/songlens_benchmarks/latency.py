"""How long a photo takes while the system is half loaded, and photos come at random times.

A photo may find a batch running, waits for others to come, and is then worked on: longer than the batcher's delay and
two batches it should not take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from songlens_benchmarks.device import MODEL
from songlens_benchmarks.load import Served, open_loop
from songlens_benchmarks.payloads import payloads
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.simulated import Simulated, asking, simulated
from songlens_benchmarks.workers import Counted
from songlens_workers.settings import VisionSettings

_IN_FLIGHT = 64
_MAX_DELAY_MS: float = VisionSettings.model_fields["max_delay_ms"].default


def run(effort: Effort) -> Iterator[Row]:
    """Yield percentiles of the latency at half of what the system can do."""
    photos, seconds = payloads(64), (1.0 if effort.quick else 8.0)
    with simulated(MODEL) as system:
        saturated = system.load(photos, in_flight=_IN_FLIGHT, seconds=seconds / 2)()
        half = Recorded(lambda: _loaded(system, photos, saturated / 2, seconds), {})
        before = Counted.of(system.vision)
        for _ in range(effort.rounds):
            half()
        counted = Counted.of(system.vision).since(before)
    batch_ms = counted.batch_seconds / counted.batches * 1000
    yield Row(what="load: half of what is served at most", value=half.rate, unit="requests/s")
    yield Row(what="images in a batch", value=counted.images / counted.batches, unit="images")
    yield Row(what="a batch, its outcomes sent", value=batch_ms, unit="ms")
    yield Row(what="p50", value=half.latency_ms(0.5), unit="ms")
    yield Row(
        what="p99",
        value=half.latency_ms(0.99),
        unit="ms",
        limit=Reference("max_delay and two batches", _MAX_DELAY_MS + 2 * batch_ms),
        target=Target(of="limit", at_most=1.0),
    )


def _loaded(system: Simulated, photos: Sequence[bytes], per_s: float, seconds: float) -> Served:
    async def serve() -> Served:
        async with system.client() as client:
            return await open_loop(asking(client, photos), per_s=per_s, seconds=seconds)

    return asyncio.run(serve())
