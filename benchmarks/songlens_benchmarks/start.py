"""From the start of a worker's process to the first answer, its files in the disk's cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from songlens import Client
from songlens_benchmarks.photographs import jpeg
from songlens_benchmarks.programs import running
from songlens_benchmarks.real import LITE2, VGG19, Published, published
from songlens_benchmarks.row import Effort, Row, Target
from songlens_benchmarks.turns import in_turns
from songlens_benchmarks.workers import Worker

BACKBONES = (LITE2, VGG19)
_TARGET = Target(of="value", at_most=10.0)


def run(effort: Effort) -> Iterator[Row]:
    """Yield seconds, by stage and backbone."""
    images, songs = (500, 500) if effort.quick else (33_459, 62_316)
    for name in BACKBONES:
        with published(name, images=images, songs=songs) as system:
            found = in_turns(_starts(system, songs_too=name == BACKBONES[0]), effort.rounds)
        for stage, seconds in found.items():
            what = f"{stage} worker, {name}, {images:,} images, {songs:,} songs"
            yield Row(what=what, value=seconds, unit="s", target=_TARGET)


def _starts(system: Published, *, songs_too: bool) -> dict[str, Callable[[], float]]:
    """A song worker knows no backbone, so that once is enough."""
    starts = {"vision": lambda: _seconds(system, system.vision_worker(), system.song_worker())}
    starts["vision"]()  # what is read now, the disk's cache has afterwards
    if songs_too:
        starts["songs"] = lambda: _seconds(system, system.song_worker(), system.vision_worker())
    return starts


def _seconds(system: Published, starting: Worker, serving: Worker) -> float:
    """Start one worker where the other one serves and a photo waits; return how long its songs take."""
    with running(serving), Client(system.url) as client:
        serving.until_serving()
        waiting = client.submit(jpeg(500, 375), timeout_s=120.0)
        started_s = time.perf_counter()
        with running(starting):
            waiting.result()
            return time.perf_counter() - started_s
