"""A batch from submit to manifest, beside what the vision worker alone does with the same photos.

Alone, the worker finds every photo in its lane: nobody reads files, submits, ranks songs or writes rows meanwhile. In a
batch, all of these share the cores of this machine with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from songlens_batch.batches import Batches
from songlens_batch.record import batch_config
from songlens_batch.state.registry import DONE
from songlens_benchmarks.load import Served, all_of
from songlens_benchmarks.photographs import jpeg
from songlens_benchmarks.programs import Program, ProgramFailed, running
from songlens_benchmarks.real import LITE2, TINY, Published, Serving, published
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.turns import in_turns
from songlens_shared.broker import connect
from songlens_shared.keys import BULK, PartitionKeys

PHOTOS = {TINY: 4000, LITE2: 800}
_QUICK = 48
_DIFFERENT = 64
_LOOK_EVERY_S = 0.02
_LONG_S = 3600.0
_AT_ONCE = 64
_TARGET = Target(of="baseline", at_least=0.9)
_AT = PartitionKeys()


def run(effort: Effort) -> Iterator[Row]:
    """Yield photos a second of each backbone, and who takes the processors' time."""
    for name, photos in PHOTOS.items():
        yield from _rows(name, _QUICK if effort.quick else photos, effort)


def _rows(name: str, photos: int, effort: Effort) -> Iterator[Row]:
    with published(name, images=1000, songs=2000) as system, system.serving() as workers:
        source = _written(system.folder / "photos", photos)
        worker = Program(
            "jobs", ["-m", "songlens", "worker", "jobs", "--redis", system.url], log=system.folder / "jobs"
        )
        with running(worker):
            batch = _Batch(system, source, photos)
            alone = _Alone(workers, [path.read_bytes() for path in sorted(source.iterdir())[:_DIFFERENT]], photos)
            batch()  # the first brings models and modules into memory
            recorded = Recorded(batch, {**workers.pids(), "jobs": [worker.pid]})
            found = in_turns({"batch": recorded, "alone": alone}, effort.rounds)
    yield Row(
        what=f"batch, {name}",
        value=found["batch"],
        unit="photos/s",
        baseline=Reference("vision worker alone", found["alone"]),
        target=_TARGET,
        note=f"{photos} photos of 500 x 375, two shards, from submit to manifest",
    )
    for process, taken_us in recorded.cpu_us().items():
        yield Row(what=f"processor time a photo, {name}: {process}", value=taken_us / 1000, unit="ms")


def _written(folder: Path, photos: int) -> Path:
    folder.mkdir()
    for number in range(photos):
        (folder / f"{number:06d}.jpg").write_bytes(jpeg(500, 375, number % _DIFFERENT))
    return folder


class _Batch:
    """Has all photos scored as a batch, each time into another folder."""

    def __init__(self, system: Published, source: Path, photos: int) -> None:
        self._system = system
        self._config = batch_config(str(source), shard_size=photos // 2)
        self._photos = photos
        self._numbers = count()

    def __call__(self) -> Served:
        """Return how long it took. Raises `ProgramFailed` where not every photo got songs."""
        out = self._system.folder / f"out-{next(self._numbers)}"
        with Batches(self._system.url) as batches:
            started_s = time.perf_counter()
            found = batches.wait(batches.submit(self._config, str(out)), every_s=_LOOK_EVERY_S * 10)
            seconds = time.perf_counter() - started_s
        if found.state != DONE or found.rows != self._photos or found.errors:
            raise ProgramFailed(f"the batch is {found.state} with {found.rows} rows {found.errors} {found.why}")
        return Served(seconds, [0.0] * self._photos, self._photos)


class _Alone:
    """Has all photos embedded and searched that wait in the lane, while nobody else has anything to do."""

    def __init__(self, workers: Serving, photos: Sequence[bytes], requests: int) -> None:
        self._workers = workers
        self._photos = photos
        self._requests = requests

    def __call__(self) -> float:
        """Return photos a second."""
        with connect(self._workers.system.url) as connection, _held(self._workers.songs.pid):
            with _held(self._workers.vision.pid):
                asyncio.run(self._submit())
                started_s = time.perf_counter()
            _until(lambda: connection.xlen(_AT.requests(BULK)) == 0)
            seconds = time.perf_counter() - started_s
        with connect(self._workers.system.url) as connection:
            _until(lambda: connection.xlen(_AT.hits) == 0)
        return self._requests / seconds

    async def _submit(self) -> None:
        async with self._workers.system.client() as client:

            async def submit(number: int) -> None:
                await client.submit(self._photos[number % len(self._photos)], lane=BULK, timeout_s=_LONG_S)

            await all_of(submit, requests=self._requests, in_flight=_AT_ONCE)


@contextmanager
def _held(pid: int) -> Iterator[None]:
    """Let a process stand still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _until(reached: Callable[[], bool]) -> None:
    until_s = time.monotonic() + _LONG_S
    while not reached():
        if time.monotonic() > until_s:
            raise ProgramFailed("the lane is not worked off.")
        time.sleep(_LOOK_EVERY_S)
