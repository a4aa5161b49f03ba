"""Planning a batch of a million photos: seconds from the manifest to queued shards, and the peak of memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from songlens_batch.batches import Batches
from songlens_batch.record import batch_config
from songlens_benchmarks.programs import ProgramFailed
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_shared.broker import connect
from songlens_shared.keys import MODEL_CURRENT
from songlens_workers.embedded import EmbeddedBroker

_IMAGES = 1_000_000
_QUICK = 20_000
_LONGEST_S, _MOST_MB = 60.0, 1000.0
_JOB = "import sys; from songlens_batch.jobs.functions import plan_batch; plan_batch(sys.argv[1])"


def run(effort: Effort) -> Iterator[Row]:
    """Yield seconds and megabytes of the planning job, in a process of its own."""
    images = _QUICK if effort.quick else _IMAGES
    with tempfile.TemporaryDirectory(prefix="songlens-") as place, EmbeddedBroker(Path(place) / "broker") as broker:
        manifest = _manifest(Path(place) / "photos.jsonl", images)
        reading_s = _reading_s(manifest)
        with connect(broker.url) as connection:
            connection.set(MODEL_CURRENT, "m")
        out = str(Path(place) / "out")
        with Batches(broker.url) as batches:
            batch = batches.submit(batch_config(str(manifest)), out)
            seconds = _planned(out, broker.url)
            found = batches.status(batch)
        if found.images != images:
            raise ProgramFailed(f"{found.images} of {images} images are planned.")
    yield Row(
        what=f"plan of {images} images in {found.shards} shards",
        value=seconds,
        unit="s",
        limit=Reference("json.loads of every line", reading_s),
        target=Target(of="value", at_most=_LONGEST_S),
    )
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    yield Row(what="peak memory of planning", value=peak_mb, unit="MB", target=Target(of="value", at_most=_MOST_MB))


def _manifest(path: Path, images: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(images):
            file.write(
                json.dumps({"path": f"roll/{number // 1000:04d}/{number:07d}.jpg", "id": f"{number:07d}"}) + "\n"
            )
    return path


def _reading_s(manifest: Path) -> float:
    started_s = time.perf_counter()
    with manifest.open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)
    return time.perf_counter() - started_s


def _planned(out: str, url: str) -> float:
    started_s = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", _JOB, out],
        env={**os.environ, "SONGLENS_REDIS_URL": url},
        stdout=sys.stderr,
        check=True,
    )
    return time.perf_counter() - started_s
