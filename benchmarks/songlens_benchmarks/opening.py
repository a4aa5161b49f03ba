"""Opening the image index of a million images: seconds, and how much of it two workers share."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from songlens_benchmarks.made_indexes import no_room, write_sq8
from songlens_benchmarks.row import Effort, Row, Target
from songlens_workers.models.manifest import IMAGE_CODES, IndexEntry, file_entry
from songlens_workers.models.verified import VerifiedFiles
from songlens_workers.vision.index.kinds import IndexKind, files_of

IMAGES = 1_000_000
DIMENSIONS = (1280, 4096)
SECONDS_TO_OPEN = 10.0
SETTLED_S = 0.2
"""After which a file that was just written counts as unchanged."""

WORKER = """
import sys, time
from songlens_workers.threads import sleep_while_waiting
sleep_while_waiting()
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
    """Yield the rows of each size that there is room for."""
    images = IMAGES // 10 if effort.quick else IMAGES
    for dimensions in DIMENSIONS:
        with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
            yield from _opened(Path(folder) / "index", images, dimensions)


def _opened(folder: Path, images: int, dimensions: int) -> Iterator[Row]:
    size = f"{images} x {dimensions}, {IndexKind.SQ8}"
    if why := no_room(folder.parent, images, dimensions):
        yield Row(what=f"open, {size}: not measured", value=0, unit="", note=why)
        return
    entry = write_sq8(folder, images, dimensions)
    yield from _hashing(folder, entry, size)
    yield from _two_workers(folder, entry, size)


def _hashing(folder: Path, entry: IndexEntry, size: str) -> Iterator[Row]:
    """What the first worker of a machine checks, and what the next ones do."""
    time.sleep(SETTLED_S)
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
    yield Row(what=f"checksums, first worker, {size}", value=first_s, unit="s", note=f"{entry.disk_bytes / 1e9:.1f} GB")
    yield Row(
        what=f"checksums, next worker, {size}",
        value=time.perf_counter() - started_s,
        unit="s",
        note="" if known else "files changed while they were measured",
    )


def _two_workers(folder: Path, entry: IndexEntry, size: str) -> Iterator[Row]:
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
    yield Row(what=f"open, {size}", value=opened_s, unit="s", target=Target(of="value", at_most=SECONDS_TO_OPEN))
    yield Row(what=f"open and first search, {size}", value=searched_s, unit="s", note="two workers at once")
    yield Row(
        what=f"codes that two workers share, {size}",
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
