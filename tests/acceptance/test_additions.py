"""Songs and images are added to a running system without training again: they come back for photos, as good as any."""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from songlens import Client
from songlens_shared.broker import connect
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.generated.catalogue import GeneratedOptions, generate
from songlens_training.model.additions import add_images, add_songs
from songlens_training.model.build import build_model
from songlens_training.model.learn import BuildOptions, Catalogue
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.songs.ranker import SongRanker
from songlens_workers.vision.registry import load_backbone

from .conftest import Model, running_system, songlens


def is_new(row: dict[str, str]) -> bool:
    """Tell whether a song or image of the catalogue is held out: a fifth of them, whatever their order."""
    return int(hashlib.sha256(row["id"].encode()).hexdigest(), 16) % 5 == 0


@dataclass(frozen=True)
class HeldOut:
    """A version that lacks a fifth of the songs and of the images, and the files to add."""

    base: Model
    songs: Path
    images: Path


BUILT = BuildOptions(embedding=EmbeddingOptions(seed=1))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough songs that a fifth of them has ten for each theme."""
    folder = tmp_path_factory.mktemp("catalogue") / "generated"
    generate(
        folder,
        GeneratedOptions(themes=12, songs=900, images_per_theme=5, queries_per_theme=1),
        lambda done, total: None,
    )
    return folder


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory, catalogue: Path) -> HeldOut:
    """A fifth of the catalogue is left out. What photos look like to the backbone is of no matter here."""
    folder = tmp_path_factory.mktemp("held-out")
    for name in ("songs", "images"):
        rows = rows_of(catalogue / f"{name}.jsonl")
        for row in rows:
            if "path" in row:
                row["path"] = str(catalogue / row["path"])
        for part, chosen in (("old", False), ("new", True)):
            lines = [json.dumps(row, ensure_ascii=False) for row in rows if is_new(row) is chosen]
            (folder / f"{part}-{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    store = ModelStore(str(folder / "models"))
    parts = Catalogue(songs=folder / "old-songs.jsonl", images=folder / "old-images.jsonl")
    base = Model(catalogue=catalogue, store=store, built=build_model(parts, store, load_backbone("tiny"), BUILT))
    return HeldOut(base=base, songs=folder / "new-songs.jsonl", images=folder / "new-images.jsonl")


def newest(store: ModelStore) -> str:
    return store.versions()[-1]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def rows_of(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def ids(file: Path) -> set[str]:
    return {row["id"] for row in rows_of(file)}


def test_added_songs_and_images_come_back(tmp_path: Path, redis_server: Path | None, held_out: HeldOut) -> None:
    """Added over the command line and published to workers that are running: photos bring added songs, and an added
    image is the nearest to itself. The base is the same bytes afterwards, and rolling back leads to it."""
    store, base = held_out.base.store, held_out.base.version
    before = digests(store.folder / base)
    photos = sorted((held_out.base.catalogue / "queries").rglob("*.jpg"))
    with running_system(tmp_path, redis_server, held_out.base, "model_poll_s=0.2") as system:
        songs = system.command("model", "add-songs", str(held_out.songs), "--models", str(store))
        assert songs.returncode == 0, songs.stderr
        added_to = newest(store)
        assert f"{len(ids(held_out.songs))} songs added to {base}" in songs.stdout
        images = system.command("model", "add-images", str(held_out.images), "--models", str(store), "--publish")
        assert images.returncode == 0, images.stderr
        version = newest(store)
        assert f"{version} is live" in images.stdout
        with Client(system.url) as client:
            until = time.monotonic() + 60
            while client.recommend(photos[0]).model != version:
                assert time.monotonic() < until
            replies = [client.recommend(photo) for photo in photos]
            added = rows_of(held_out.images)[0]
            assert client.recommend(Path(added["path"])).images[0].id == added["id"]
        found = [song.id for reply in replies for song in reply.songs]
        share = np.mean([id in ids(held_out.songs) for id in found])
        assert 0.1 < share < 0.4  # a fifth of all songs was added
        shown = system.command("model", "show", version, "--models", str(store))
        assert f"songs added to {base}" in shown.stdout
        assert f"images added to {added_to}" in shown.stdout
        with connect(system.url) as connection:
            assert PublishedModels(connection).rollback() == base
    assert digests(store.folder / base) == before


def hit_rate(images: np.ndarray, image_words: list[set[str]], songs: np.ndarray, song_words: list[set[str]]) -> float:
    """Hit rate@10: of the 10 songs nearest to an image, the share that bears the image's keyword."""
    _, nearest = SongRanker(songs).nearest(images, 10)
    return float(
        np.mean([bool(image_words[image] & song_words[song]) for image, row in enumerate(nearest) for song in row])
    )


def part(folder: Path, kind: str, chosen: Collection[str] | None = None) -> tuple[np.ndarray, list[set[str]]]:
    """The vectors and keywords of a version's songs or images, of all or of those in `chosen`."""
    rows = parquet.read_table(folder / f"{kind}.parquet", columns=["id", "keywords"]).to_pylist()
    kept = [number for number, row in enumerate(rows) if chosen is None or row["id"] in chosen]
    vectors = np.load(folder / f"ne_{kind}.npy")[kept]
    return vectors, [{use["keyword"] for use in rows[number]["keywords"]} for number in kept]


def test_added_ones_are_as_good_as_retrained_ones(tmp_path: Path, held_out: HeldOut) -> None:
    """Hit rate@10 among the added songs, and from the added images, is within 5 % of that of a model that was trained
    with all of them."""
    store, backbone = held_out.base.store, load_backbone("tiny")
    with_songs = add_songs(held_out.songs, held_out.base.version, store)
    with_all = add_images(held_out.images, with_songs.manifest.version, store, backbone)
    catalogue = held_out.base.catalogue
    everything = Catalogue(songs=catalogue / "songs.jsonl", images=catalogue / "images.jsonl")
    retrained = build_model(everything, ModelStore(str(tmp_path / "models")), backbone, BUILT)
    new_songs, new_images = ids(held_out.songs), ids(held_out.images)

    def rates(folder: Path) -> tuple[float, float]:
        return (
            hit_rate(*part(folder, "images"), *part(folder, "songs", new_songs)),
            hit_rate(*part(folder, "images", new_images), *part(folder, "songs")),
        )

    for added, trained in zip(rates(with_all.folder), rates(retrained.folder), strict=True):
        assert trained > 0.9
        assert added >= 0.95 * trained


def test_what_cannot_be_added_ends_with_a_sentence(tmp_path: Path, held_out: HeldOut) -> None:
    """An unknown base, and songs without keyword: status and sentence, and no version more than before."""
    store = held_out.base.store
    before = store.versions()
    strange = tmp_path / "strange.jsonl"
    strange.write_text(json.dumps({"id": "x", "title": "x", "lyrics": "nothing of the kind"}))
    for arguments, status, sentence in (
        ((str(held_out.songs), "--base", "20990101-000000-x"), 4, "there is no model version 20990101"),
        ((str(strange), "--base", held_out.base.version), 5, "bears a keyword of model version"),
    ):
        refused = songlens("model", "add-songs", *arguments, "--models", str(store))
        assert refused.returncode == status, refused.stderr
        assert sentence in refused.stderr.replace("\n", " ")
        assert "Traceback" not in refused.stderr
    assert store.versions() == before


def no_file_past_1_mb() -> None:
    """What a full disk is to a program: the write fails. The vectors as text are past the limit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))


def test_no_space_left_leaves_no_version(held_out: HeldOut) -> None:
    """A disk that takes no more while songs are added: one sentence, no version and no part of one, the base whole."""
    store, base = held_out.base.store, held_out.base.version
    before, versions = digests(store.folder / base), store.versions()
    command = [
        sys.executable, "-m", "songlens", "model", "add-songs", str(held_out.songs), "--base", base,
        "--models", str(store),
    ]  # fmt: skip
    refused = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, preexec_fn=no_file_past_1_mb
    )
    assert refused.returncode == 4, refused.stderr
    assert "the model cannot be written" in refused.stderr
    assert "File too large" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert store.versions() == versions
    assert not list(store.folder.glob("*.partial"))
    assert digests(store.folder / base) == before
