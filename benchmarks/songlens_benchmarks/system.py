"""The whole system, saturated, beside the bare forward loop: what is lost between a photo and its songs.

Client, server and both workers share the cores of this machine; the bare loop has them for itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from songlens_benchmarks.cpu_times import KNOWN
from songlens_benchmarks.photographs import jpeg
from songlens_benchmarks.real import LITE2, VGG19, published
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.saturated import Saturated
from songlens_benchmarks.turns import in_turns
from songlens_workers.settings import VisionSettings
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.decode import decode
from songlens_workers.vision.limits import ImageLimits

_BATCH: int = VisionSettings.model_fields["max_batch"].default
BACKBONES = (LITE2, VGG19)
_BATCHES = {VGG19: 12, LITE2: 24}
_TARGET = Target(of="baseline", at_least=0.9)


def run(effort: Effort) -> Iterator[Row]:
    """Yield images a second of each backbone, and how busy each part was."""
    for name in BACKBONES:
        yield from _rows(name, effort)


def _rows(name: str, effort: Effort) -> Iterator[Row]:
    images = _BATCH * (1 if effort.quick else _BATCHES[name])
    photos = [jpeg(500, 375, seed) for seed in range(2 * _BATCH)]
    songs = 2000 if effort.quick else 20_000
    with published(name, images=1000, songs=songs) as system, system.serving() as workers:
        whole = Saturated(workers, photos, requests=images, in_flight=4 * _BATCH)
        whole.warm_up()
        found = in_turns({"whole": whole, "bare": lambda: _bare(system.backbone, photos, images)}, effort.rounds)
    yield Row(
        what=f"whole system, {name}",
        value=found["whole"],
        unit="images/s",
        baseline=Reference("bare forward loop", found["bare"]),
        target=_TARGET,
    )
    for part, share in whole.busy().items():
        yield Row(what=f"busy: {part}, {name}", value=share, unit="of the time")
    if KNOWN:
        for process, taken_us in whole.cpu_us().items():
            yield Row(what=f"processor time an image, {name}: {process}", value=taken_us / 1000, unit="ms")


def _bare(backbone: Backbone, photos: Sequence[bytes], images: int) -> float:
    """Return the images a second of the forward pass alone, in the batches of a worker, all photos decoded before."""
    decoded = [decode(photo, backbone.preprocessing, ImageLimits()) for photo in photos[:_BATCH]]
    batch = np.stack(decoded)
    started_s = time.perf_counter()
    for _ in range(images // _BATCH):
        backbone.embed(batch)
    return images / (time.perf_counter() - started_s)
