"""Image index: build from kept features, save and load, against a plain copy; memory against the size of the index.

    python benchmarks/index.py [--images 33459] [--dimensions 4096]

Each path runs in a process of its own, in turns. `matrix` is the plain way: all features in one matrix, added to FAISS.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from songlens_benchmarks import record
from songlens_training.model.feature_store import SHARD_IMAGES, FeatureStore, StoredFeatures
from songlens_workers.models.manifest import BackboneSpec
from songlens_workers.vision.image_index import FlatImageIndex

ROUNDS = 3
TARGET_MEMORY = 1.3


def main() -> None:
    arguments = parsed()
    if arguments.path:
        print(json.dumps(PATHS[arguments.path](Path(arguments.folder), arguments.images, arguments.dimensions)))
        return
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        fill_store(Path(folder), arguments.images, arguments.dimensions)
        runs: dict[str, list[dict[str, float]]] = {path: [] for path in PATHS}
        for _ in range(ROUNDS):
            for path in PATHS:
                runs[path].append(in_a_process(path, folder, arguments))
    report(runs, arguments.images, arguments.dimensions)


def report(runs: dict[str, list[dict[str, float]]], images: int, dimensions: int) -> None:
    """Print and record the medians."""
    index_mb = images * dimensions * 4 / 1e6
    seconds = {path: statistics.median(run["seconds"] for run in found) for path, found in runs.items()}
    print(f"{images} x {dimensions} float32: an index of {index_mb:.0f} MB; medians of {ROUNDS}")
    print(f"{'':<10}{'seconds':>10}{'MB/s':>10}{'of copy':>10}{'peak / index':>15}")
    for path, found in runs.items():
        figures = {
            "seconds": round(seconds[path], 3),
            "mb_per_s": round(index_mb / seconds[path], 1),
            "share_of_copy": round(seconds["copy"] / seconds[path], 3),
            "peak_over_index": round(max(run["peak_mb"] for run in found) / index_mb, 3),
        }
        print(
            f"{path:<10}"
            + "".join(f"{figure:>{width}}" for figure, width in zip(figures.values(), (10, 10, 10, 15), strict=True))
        )
        record.write("index", {"path": path, "images": images, "dimensions": dimensions, **figures})
    print(f"limit: `copy` writes as many bytes to a file and reads them back; memory to stay under {TARGET_MEMORY}")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=33_459)
    parser.add_argument("--dimensions", type=int, default=4096)
    parser.add_argument("--path", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_a_process(path: str, folder: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one path in a process of its own, so that its peak memory is its own."""
    size = ["--images", str(arguments.images), "--dimensions", str(arguments.dimensions)]
    command = [sys.executable, __file__, "--path", path, "--folder", folder, *size]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def store_in(folder: Path, dimensions: int) -> FeatureStore:
    spec = BackboneSpec(name="noise", weights_sha256="", dimensions=dimensions, precision="fp32", preprocessing={})
    return FeatureStore(folder / "features", spec)


def digests(start: int, stop: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(start, stop)]


def fill_store(folder: Path, images: int, dimensions: int) -> None:
    store, random = store_in(folder, dimensions), np.random.default_rng(1)
    for start in range(0, images, SHARD_IMAGES):
        stop = min(images, start + SHARD_IMAGES)
        store.add(digests(start, stop), random.standard_normal((stop - start, dimensions), dtype=np.float32))


def measured(work: Callable[[], Any]) -> dict[str, float]:
    """Return the seconds of `work`, and how far memory rose above what the process held before, in 10^6 bytes."""
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started_s = time.perf_counter()
    work()
    seconds = time.perf_counter() - started_s
    return {"seconds": seconds, "peak_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1e3}


def copy(folder: Path, images: int, dimensions: int) -> dict[str, float]:
    """The limit: as many bytes to a file and back, in pieces."""
    piece = np.ones((SHARD_IMAGES, dimensions), np.float32).tobytes()

    def work() -> None:
        with (folder / "copy").open("w+b") as file:
            for _ in range(-(-images // SHARD_IMAGES)):
                file.write(piece)
            file.seek(0)
            while file.read(len(piece)):
                pass

    return measured(work)


def filled(folder: Path, images: int, dimensions: int) -> dict[str, float]:
    """Ours: from the store straight into the index's memory, then to its file."""
    features = StoredFeatures(store_in(folder, dimensions), digests(0, images))
    return measured(lambda: FlatImageIndex.filled(images, dimensions, features.copy_into).save(folder / "filled.faiss"))


def matrix(folder: Path, images: int, dimensions: int) -> dict[str, float]:
    """The plain way: one matrix of all features, then FAISS's own add."""
    features = StoredFeatures(store_in(folder, dimensions), digests(0, images))

    def work() -> None:
        index = faiss.IndexFlatL2(dimensions)
        index.add(features.matrix())
        faiss.write_index(index, str(folder / "matrix.faiss"))

    return measured(work)


def load(folder: Path, images: int, dimensions: int) -> dict[str, float]:
    """A worker that opens the index."""
    return measured(lambda: FlatImageIndex.load(folder / "filled.faiss"))


PATHS = {"copy": copy, "filled": filled, "matrix": matrix, "load": load}


if __name__ == "__main__":
    main()
