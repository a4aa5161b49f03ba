"""A batch and who works on it: photos in a folder, stages that answer, a real `songlens worker jobs` process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from songlens_batch.batches import Batches
from songlens_batch.folder import BatchFolder
from songlens_batch.record import batch_config
from songlens_shared.broker import connect
from songlens_shared.keys import MODEL_CURRENT
from songlens_workers.commands.processes import WorkerProcess

MODEL = "m1"
"""The version that `fake_worker.one_song` answers with."""


def jpeg(number: int, size: tuple[int, int] = (48, 40)) -> bytes:
    """Return a small photo that no other number has."""
    colour = (number % 256, number // 256 % 256, 128)
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


def make_photos(folder: Path, count: int) -> Path:
    """Write so many photos, a hundred to a folder."""
    for number in range(count):
        path = folder / f"{number // 100:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    return folder


def publish_fake_model(url: str, version: str = MODEL) -> None:
    """Make a version live that only stages which do not look at it can serve."""
    with connect(url) as connection:
        connection.set(MODEL_CURRENT, version)


def work_off(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a job worker until no job waits."""
    return subprocess.run(
        [sys.executable, "-m", "songlens", "worker", "jobs", "--burst"],
        capture_output=True,
        text=True,
        env={**os.environ, "SONGLENS_REDIS_URL": url, **environment},
        timeout=200,
        check=True,
    )


@contextmanager
def job_worker(url: str, log: Path, *arguments: str, **environment: str) -> Iterator[WorkerProcess]:
    """Run a job worker beside the test."""
    worker = WorkerProcess("jobs", ["jobs", "--redis", url, *arguments], log=log, environment=environment)
    worker.start()
    try:
        yield worker
    finally:
        worker.ask_to_stop()
        worker.wait()


def submit(url: str, source: Path | str, out: Path | str, **options: Any) -> str:
    """Submit a batch with the options of `batch_config`."""
    with Batches(url) as batches:
        return batches.submit(batch_config(str(source), **options), str(out))


def read_rows(out: Path) -> list[dict[str, Any]]:
    """Return all rows of a batch's folder, shard after shard."""
    found = sorted(BatchFolder(str(out)).finished().items())
    return [row for _, name in found for row in pq.read_table(out / name).to_pylist()]
