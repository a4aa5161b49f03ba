"""The same photo sent again, as app and on-call engineer see it: real workers, their /metrics, a model published."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from stages import wait_until

from songlens import Client, Recommendation
from songlens_shared.broker import connect
from songlens_training.model.publish import publish_model
from songlens_workers.models.store import ModelStore

from .conftest import Model, System, running_system


def photos(model: Model) -> list[Path]:
    """Photos that nobody has sent yet."""
    return sorted((model.catalogue / "queries").rglob("*.jpg"))


@dataclass(frozen=True)
class Counts:
    """What a vision worker has counted so far."""

    hits: float
    misses: float
    computed: float
    """Photos that were in a batch."""


def counts(folder: Path) -> Counts:
    """Read a vision worker's /metrics, at the port that its log names."""
    (port,) = re.findall(r"health_served.*port=(\d+)", (folder / "vision.log").read_text("utf-8"))
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text = page.read().decode()

    def value(name: str) -> float:
        (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found)

    lookups = 'songlens_content_cache_lookups_total{{result="{}",stage="vision"}}'
    return Counts(
        value(lookups.format("hit")), value(lookups.format("miss")), value('songlens_batch_size_sum{stage="vision"}')
    )


def publish_a_copy(model: Model, store: ModelStore, system: System) -> str:
    """Publish the same model under another version, and return that."""
    copy = store.folder / "20990101-000000-copy"
    shutil.copytree(model.built.folder, copy)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(model.version, copy.name), "utf-8")
    with connect(system.url) as connection:
        publish_model(store, copy.name, connection)
    return copy.name


def first_of(version: str, client: Client, photo: Path) -> Recommendation:
    """Send a photo until a version answers it."""
    until_s = time.monotonic() + 60
    while (recommendation := client.recommend(photo)).model != version:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return recommendation


def test_the_same_photo_again(tmp_path: Path, redis_server: Path | None, model: Model) -> None:
    """It gets the same songs, marked, without a batch, and counted; a deeper ask, another photo and a newly published
    version are computed."""
    store = ModelStore(str(tmp_path / "models"))
    shutil.copytree(model.built.folder, store.folder / model.version)
    own = Model(catalogue=model.catalogue, store=store, built=model.built)
    photo, other = photos(model)[:2]
    with (
        running_system(tmp_path, redis_server, own, "model_poll_s=0.2", "metrics_port=0") as system,
        Client(system.url) as client,
    ):
        first, second = client.recommend(photo), client.recommend(photo)
        assert (first.cached, second.cached) == (False, True)
        assert (second.songs, second.images, second.model) == (first.songs, first.images, first.model)
        assert [second.timings_ms[step] for step in ("decode", "embed", "search")] == [0, 0, 0]
        few = client.recommend(photo, top_k=3, images_k=2)
        assert (few.cached, len(few.songs), few.images) == (True, 3, first.images[:2])
        deep = client.recommend(photo, images_k=7)
        assert (deep.cached, len(deep.images)) == (False, 7)
        assert client.recommend(other).cached is False
        sent = system.command("send", str(photo), "--json")
        assert json.loads(sent.stdout)["cached"] is True
        assert "images from the content cache" in system.command("send", str(photo)).stdout
        # A batch is counted once its hits are on their way. One more photo was sent to see whether the workers serve.
        wait_until(lambda: counts(tmp_path).computed == 4, "the last batch is counted")
        assert counts(tmp_path) == Counts(hits=4, misses=4, computed=4)

        published = first_of(publish_a_copy(model, store, system), client, photo)
        assert published.cached is False
        assert client.recommend(photo).cached is True
        assert published.songs == first.songs  # it is a copy


def test_switched_off(tmp_path: Path, redis_server: Path | None, model: Model) -> None:
    """With `cache_entries=0` the same photo is computed each time, and no reply is marked."""
    with (
        running_system(tmp_path, redis_server, model, "cache_entries=0", "metrics_port=0") as system,
        Client(system.url) as client,
    ):
        first, second = (client.recommend(photos(model)[0]) for _ in range(2))
        assert (first.cached, second.cached) == (False, False)
        assert first.songs == second.songs
        wait_until(lambda: counts(tmp_path).computed == 3, "the last batch is counted")
        assert counts(tmp_path) == Counts(hits=0, misses=0, computed=3)
