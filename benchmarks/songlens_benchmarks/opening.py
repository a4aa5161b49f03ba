"""Opening the image index of a million images: seconds, and how much of it two workers share."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from songlens_benchmarks.features import like_features
from songlens_benchmarks.row import Effort, Row, Target
from songlens_training.model.image_index import IndexOptions, write_image_index
from songlens_workers.models.manifest import IMAGE_CODES, IndexEntry, file_entry
from songlens_workers.models.verified import VerifiedFiles
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.kinds import IndexKind, files_of

IMAGES, DIMENSIONS = 1_000_000, 1280
DISTINCT = 100_000
SECONDS_TO_OPEN = 10.0

WORKER = """
import sys, time
from pathlib import Path
import numpy as np
from songlens_workers.models.manifest import IndexEntry
from songlens_workers.vision.index.opening import open_index
started_s = time.perf_counter()
index = open_index(Path(sys.argv[1]), IndexEntry.model_validate_json(sys.argv[2]))
opened_s = time.perf_counter() - started_s
index.search(np.zeros((1, index.dimensions), np.float32), 5)
print(opened_s, time.perf_counter() - started_s, flush=True)
sys.stdin.readline()
"""


def run(effort: Effort) -> Iterator[Row]:
    """Yield the rows."""
    images = 100_000 if effort.quick else IMAGES
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        entry = _write(Path(folder), images)
        yield from _hashing(Path(folder), entry)
        yield from _two_workers(Path(folder), entry, images)


def _write(folder: Path, images: int) -> IndexEntry:
    """Write the index of repeated features, each a little different, which take no time to make."""
    some = like_features(min(images, DISTINCT), DIMENSIONS)

    def fill(rows: Features) -> None:
        for start in range(0, len(rows), len(some)):
            np.multiply(some, 1 + start / len(rows), out=rows[start : start + len(some)])

    return write_image_index(folder, images, DIMENSIONS, fill, IndexOptions(kind=IndexKind.SQ8, recall=0.0))


def _hashing(folder: Path, entry: IndexEntry) -> Iterator[Row]:
    """What the first worker of a machine checks, and what the next ones do."""
    paths = [folder / name for name in files_of(IndexKind(entry.kind))]
    stamps = VerifiedFiles(folder / "stamps.json")
    started_s = time.perf_counter()
    sums = {path: (stamps.state(path), file_entry(path).sha256) for path in paths}
    first_s = time.perf_counter() - started_s
    for path, (before, sha256) in sums.items():
        stamps.add(path, before, sha256)
    stamps.keep()
    started_s = time.perf_counter()
    again = VerifiedFiles(folder / "stamps.json")
    known = all(again.holds(path, sha256) for path, (_, sha256) in sums.items())
    yield Row(what="checksums, first worker", value=first_s, unit="s", note=f"{entry.disk_bytes / 1e9:.1f} GB")
    yield Row(
        what="checksums, next worker",
        value=time.perf_counter() - started_s,
        unit="s",
        note="" if known else "files changed while they were measured",
    )


def _two_workers(folder: Path, entry: IndexEntry, images: int) -> Iterator[Row]:
    command = [sys.executable, "-c", WORKER, str(folder), entry.model_dump_json()]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as one,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other,
    ):
        try:
            (opened_s, searched_s), _ = (
                map(float, worker.stdout.readline().split()) if worker.stdout else (0.0, 0.0) for worker in (one, other)
            )
            shared, private = _pages(one.pid)
        finally:
            for worker in (one, other):
                worker.communicate("\n")
    size = f"{images} x {DIMENSIONS}, {entry.kind}"
    yield Row(what=f"open, {size}", value=opened_s, unit="s", target=Target(of="value", at_most=SECONDS_TO_OPEN))
    yield Row(what=f"open and first search, {size}", value=searched_s, unit="s", note="two workers at once")
    yield Row(
        what="codes that two workers share",
        value=shared / (shared + private),
        unit="of the pages that one has of them",
        target=Target(of="value", at_least=0.99),
        note=f"{(shared + private) / 1e6:.0f} MB",
    )


def _pages(pid: int) -> tuple[int, int]:
    """Return bytes of the codes that a process holds shared with others, and for itself (proc(5), smaps)."""
    sums = {"Shared": 0, "Private": 0}
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        field = line.split()
        if "-" in field[0] and not field[0].endswith(":"):
            inside = line.endswith(IMAGE_CODES)
        elif inside and field[0].split("_")[0] in sums:
            sums[field[0].split("_")[0]] += int(field[1]) * 1024
    return sums["Shared"], sums["Private"]
