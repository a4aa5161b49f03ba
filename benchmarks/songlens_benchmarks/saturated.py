"""The whole system under as much load as it takes, and how busy its parts are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median

from songlens import AsyncClient
from songlens_benchmarks.load import Call, Served, all_of, open_loop
from songlens_benchmarks.programs import ProgramFailed
from songlens_benchmarks.real import Serving
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.workers import Counted
from songlens_workers.settings import VisionSettings

_DECODERS: int = VisionSettings.model_fields["prepare_threads"].default
_SONGS = 10


class Saturated:
    """Has so many photos answered, so many at a time, each time that it is called."""

    def __init__(self, workers: Serving, photos: Sequence[bytes], *, requests: int, in_flight: int) -> None:
        self._workers = workers
        self._photos = photos
        self._requests = requests
        self._in_flight = in_flight
        self._decode_ms = 0.0
        self._recorded = Recorded(lambda: self._serve(requests), workers.pids())
        self._busy: list[dict[str, float]] = []

    def warm_up(self) -> None:
        """Have as many photos answered as are in flight."""
        self._serve(self._in_flight)

    def __call__(self) -> float:
        """Return images a second."""
        self._decode_ms = 0.0
        before = self._counted()
        rate = self._recorded()
        after = self._counted()
        seconds = self._requests / rate
        busy_s = {part: after[part].since(before[part]).batch_seconds for part in before}
        busy_s[f"decoding, {_DECODERS} threads"] = self._decode_ms / 1000 / _DECODERS
        self._busy.append({part: taken_s / seconds for part, taken_s in busy_s.items()})
        return rate

    def at(self, per_s: float, seconds: float) -> Served:
        """Have photos answered that come at random times, so many a second on average."""

        async def serve() -> Served:
            async with self._workers.system.client() as client:
                return await open_loop(self._asking(client), per_s=per_s, seconds=seconds)

        return asyncio.run(serve())

    def busy(self) -> dict[str, float]:
        """Return the share of the time in which each part had something to do."""
        return {part: median(busy[part] for busy in self._busy) for part in self._busy[0]}

    def cpu_us(self) -> dict[str, float]:
        """Return the processor time that each process took for an image, in microseconds."""
        return self._recorded.cpu_us()

    def _counted(self) -> dict[str, Counted]:
        workers = {"forward pass and search": self._workers.vision, "songs": self._workers.songs}
        return {part: Counted.of([worker]) for part, worker in workers.items()}

    def _serve(self, requests: int) -> Served:
        async def serve() -> Served:
            async with self._workers.system.client() as client:
                return await all_of(self._asking(client), requests=requests, in_flight=self._in_flight)

        return asyncio.run(serve())

    def _asking(self, client: AsyncClient) -> Call:
        async def ask(number: int) -> None:
            found = await client.recommend(self._photos[number % len(self._photos)], timeout_s=120.0)
            if len(found.songs) != _SONGS or found.cached:
                raise ProgramFailed(f"the answer {found.id} is not ten songs that were computed.")
            self._decode_ms += found.timings_ms["decode"]

        return ask
