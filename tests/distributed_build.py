"""A small catalogue, and building a model of it here or by job workers and vision workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from songlens_training.distributed.distribution import Distribution
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.model.build import build_model
from songlens_training.model.built import Built
from songlens_training.model.feature_store import FeatureStore
from songlens_training.model.learn import BuildOptions, Catalogue
from songlens_workers.commands.processes import WorkerProcess
from songlens_workers.models.store import ModelStore
from songlens_workers.settings import JobsSettings
from songlens_workers.vision import tiny
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.model import backbone_spec

BACKBONE = tiny.load(device="cpu")
SPEC = backbone_spec(BACKBONE)
KEYWORDS = ("大海", "森林", "玫瑰")
REJECTED = "大海/broken.jpg"


def make_catalogue(folder: Path, images_per_keyword: int = 8, *, broken: bool = True) -> Catalogue:
    """Write songs, and pictures that all differ; one file more is no picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "songs.jsonl").open("w", encoding="utf-8") as file:
        for keyword in KEYWORDS:
            for number in range(6):
                song = {"id": f"{keyword}-{number}", "title": "歌", "artist": "某人", "lyrics": f"我看见{keyword}"}
                file.write(json.dumps(song, ensure_ascii=False) + "\n")
    random = np.random.default_rng(7)
    for keyword in KEYWORDS:
        (folder / "images" / keyword).mkdir(parents=True)
        for number in range(images_per_keyword):
            coarse = random.integers(0, 256, (4, 5, 3), np.uint8)
            picture = Image.fromarray(coarse).resize((100, 80), Image.Resampling.NEAREST)
            picture.save(folder / "images" / keyword / f"{number:03d}.png")
    if broken:
        (folder / "images" / REJECTED).write_bytes(b"not an image")
    return Catalogue(songs=folder / "songs.jsonl", images=folder / "images")


@contextmanager
def vision_worker(url: str, folder: Path) -> Iterator[WorkerProcess]:
    """Run `songlens worker vision --backbone tiny`, where no model is published."""
    arguments = ["vision", "--redis", url, "--models", str(folder), "--backbone", "tiny", "--device", "cpu"]
    worker = WorkerProcess("vision", [*arguments, "--threads", "1"], log=folder / "vision.log")
    worker.start()
    try:
        yield worker
    finally:
        worker.ask_to_stop()
        worker.wait()


def distribution(url: str, *, shard_images: int = 10, answer_s: float = 60.0) -> Distribution:
    """Return who computes features by the jobs of a Redis."""
    settings = JobsSettings(redis_url=url)
    return Distribution(settings, shard_images=shard_images, answer_s=answer_s, look_every_s=0.05)


def build(
    catalogue: Catalogue, folder: Path, elsewhere: Distribution | None = None, *, features_dtype: str = "float32"
) -> Built:
    """Build a model into a folder, whose features are kept there too."""
    options = BuildOptions(embedding=EmbeddingOptions(samples=20_000, threads=1), features_dtype=features_dtype)
    return build_model(
        catalogue,
        ModelStore(str(folder / "models")),
        BACKBONE,
        options,
        features_folder=folder / "features",
        elsewhere=elsewhere,
    )


def indexed(built: Built) -> Features:
    """Return float32 (N, D): what the image index of a version holds."""
    index = FlatImageIndex.load(built.folder / "image_index.faiss")
    return index.vectors.copy()  # they are the index's memory, which goes with it


def rows_kept(features: Path) -> list[bytes]:
    """Return the digest of every row in the shards of a folder of features, repeated where it is there twice."""
    found: list[bytes] = []
    for shard in (features / SPEC.fingerprint).glob("*.npz"):
        with np.load(shard) as arrays:
            found += [row.tobytes() for row in arrays["digests"]]
    return found


def store_in(folder: Path) -> FeatureStore:
    """Return the float32 store of the features that `build` keeps in a folder."""
    return FeatureStore(folder / "features", SPEC)
