"""The queue as processes, with a device that only takes its time: an embedded server, vision workers, song workers."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from songlens import AsyncClient
from songlens.recommendation import Recommendation
from songlens_benchmarks.device import Device
from songlens_benchmarks.load import Call, Served, closed_loop
from songlens_benchmarks.payloads import mark
from songlens_benchmarks.programs import ProgramFailed, running
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.simulated_worker import Kept
from songlens_benchmarks.workers import Worker
from songlens_workers.embedded import EmbeddedBroker

MAX_BATCH = 32
SONGS = 10


@dataclass(frozen=True)
class Simulated:
    """Running processes, and how to reach them."""

    url: str
    partitions: int
    server_pid: int
    vision: list[Worker]
    songs: list[Worker]

    def client(self) -> AsyncClient:
        """Return a client."""
        return AsyncClient(self.url, partitions=self.partitions)

    def pids(self) -> dict[str, list[int]]:
        """Return the processes of each kind; this one is the client."""
        return {
            "client": [os.getpid()],
            "vision": [worker.pid for worker in self.vision],
            "songs": [worker.pid for worker in self.songs],
            "server": [self.server_pid],
        }

    def load(self, photos: Sequence[bytes], *, in_flight: int, seconds: float) -> Recorded:
        """Return the measure that keeps so many photos in flight."""

        async def serve() -> Served:
            async with self.client() as client:
                return await closed_loop(asking(client, photos), in_flight=in_flight, seconds=seconds)

        return Recorded(lambda: asyncio.run(serve()), self.pids())


@contextmanager
def simulated(
    device: Device,
    *,
    vision: int = 1,
    songs: int = 1,
    partitions: int = 1,
    max_batch: int = MAX_BATCH,
    persistent: bool = True,
    metrics: Kept = "plain",
) -> Iterator[Simulated]:
    """Start everything, wait until it serves, and end it.

    `persistent`: with an append-only file, as `songlens up`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="songlens-") as name,
        EmbeddedBroker(Path(name) / "broker", persistent=persistent) as broker,
    ):
        common = {"redis_url": broker.url, "partitions": partitions, "metrics_port": 0, "device": asdict(device)}
        common["metrics"] = metrics
        batches = {"max_batch": max_batch, "max_in_flight": 3 * max_batch}
        visions = [_worker("vision", number, Path(name), {**common, **batches}) for number in range(vision)]
        rankers = [_worker("songs", number, Path(name), common) for number in range(songs)]
        with running(*visions, *rankers):
            for worker in (*visions, *rankers):
                worker.until_serving()
            yield Simulated(broker.url, partitions, broker.pid, visions, rankers)


def _worker(stage: str, number: int, folder: Path, given: dict[str, object]) -> Worker:
    arguments = json.dumps({"stage": stage, "consumer": f"{stage}-{number}", **given})
    return Worker(f"{stage}-{number}", ["-m", "songlens_benchmarks.simulated_worker", arguments], folder=folder)


def asking(client: AsyncClient, photos: Sequence[bytes]) -> Call:
    """Return the call that has one photo after the other answered, and looks at each answer."""

    async def ask(number: int) -> None:
        photo = photos[number % len(photos)]
        check(await client.recommend(photo), photo)

    return ask


def check(found: Recommendation, photo: bytes) -> None:
    """Raise `ProgramFailed` unless this is the whole answer to this photo."""
    if len(found.songs) != SONGS or {song.via.image for song in found.songs} != {mark(photo)}:
        raise ProgramFailed(f"the answer {found.id} is not that of its photo.")
