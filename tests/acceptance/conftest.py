"""The whole system as a user has it: a catalogue, a model, a server, worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_cluster import LocalCluster

from songlens import Client
from songlens_shared.address import PARTITIONS_VARIABLE
from songlens_shared.broker import open_redis
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.generated.catalogue import GeneratedOptions, generate
from songlens_training.model.build import build_model
from songlens_training.model.built import Built
from songlens_training.model.learn import BuildOptions, Catalogue
from songlens_training.model.publish import publish_model
from songlens_workers.commands.processes import WorkerProcess, stop_all
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.registry import load_backbone

START_LIMIT_S = 90.0

ONE_SERVER, CLUSTER = "server", "cluster"
PARTITIONS = 7
"""Of a cluster of three: each of them has two or three."""


@dataclass(frozen=True)
class Model:
    """A built model and the catalogue it came from."""

    catalogue: Path
    store: ModelStore
    built: Built

    @property
    def version(self) -> str:
        return self.built.manifest.version


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of the generated catalogue, with pretrained EfficientNet-Lite2 features."""
    catalogue = tmp_path_factory.mktemp("catalogue") / "generated"
    generate(catalogue, GeneratedOptions(songs=900, images_per_theme=8, queries_per_theme=2), lambda done, total: None)
    store = ModelStore(str(tmp_path_factory.mktemp("models")))
    built = build_model(
        Catalogue(songs=catalogue / "songs.jsonl", images=catalogue / "images.jsonl"),
        store,
        load_backbone("efficientnet_lite2"),
        BuildOptions(embedding=EmbeddingOptions(seed=1)),
    )
    return Model(catalogue=catalogue, store=store, built=built)


@dataclass(frozen=True)
class System:
    """Running processes, and how to reach them."""

    url: str
    model: Model
    vision: WorkerProcess
    songs: WorkerProcess

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the `songlens` command against this system."""
        return songlens(*arguments, SONGLENS_REDIS_URL=self.url, **environment)


def songlens(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the `songlens` command as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "songlens", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "160", **environment},
        timeout=240,
        check=False,
    )


@contextmanager
def running_server(folder: Path, binary: Path | None, kind: str) -> Iterator[str]:
    """Start one server, or a Redis Cluster of three whose partitions everybody in here knows; yield the address."""
    if kind == ONE_SERVER:
        with EmbeddedBroker(folder / "broker", persistent=False, binary=binary) as broker:
            yield broker.url
    else:
        with LocalCluster(folder / "cluster", binary=binary) as cluster, pytest.MonkeyPatch.context() as patch:
            patch.setenv(PARTITIONS_VARIABLE, str(PARTITIONS))
            yield cluster.url


@contextmanager
def running_system(
    folder: Path, binary: Path | None, model: Model, *settings: str, kind: str = ONE_SERVER
) -> Iterator[System]:
    """Start a server with the model published and one worker of each stage; wait until they serve."""
    arguments = [part for setting in settings for part in ("--set", setting)]
    with ExitStack() as stack:
        url = stack.enter_context(running_server(folder, binary, kind))
        with open_redis(url) as connection:
            publish_model(model.store, model.version, connection)
        common = ["--redis", url, *arguments]
        vision = WorkerProcess("vision", ["vision", *common, "--models", str(model.store)], log=folder / "vision.log")
        songs = WorkerProcess("songs", ["songs", *common], log=folder / "songs.log")
        stack.callback(stop_all, [vision, songs])
        for worker in (vision, songs):
            worker.start()
        system = System(url=url, model=model, vision=vision, songs=songs)
        wait_until_serving(system)
        yield system


def wait_until_serving(system: System) -> None:
    """Return when a photo of the catalogue has got its songs; fail at once when a worker has ended."""
    photo = next((system.model.catalogue / "images").rglob("*.jpg"))
    with Client(system.url) as client:
        handle = client.submit(photo, timeout_s=START_LIMIT_S)
        while not handle.done():
            for worker in (system.vision, system.songs):
                worker.check()
            time.sleep(0.05)
        assert handle.result().songs


@pytest.fixture(scope="module", params=[ONE_SERVER, CLUSTER])
def kind(request: pytest.FixtureRequest) -> str:
    """What the system runs on."""
    return str(request.param)


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None, model: Model, kind: str
) -> Iterator[System]:
    """The system, for all tests of one module."""
    with running_system(tmp_path_factory.mktemp("system"), redis_server, model, kind=kind) as running:
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    """A client of the system."""
    with Client(system.url) as connected:
        yield connected


def kill(worker: WorkerProcess) -> None:
    """End a worker as a power cut does."""
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
