"""The whole system as processes, with a real backbone and a made model: an embedded server, `songlens worker`s."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from songlens import AsyncClient
from songlens_benchmarks import made_models
from songlens_benchmarks.programs import running
from songlens_benchmarks.workers import Worker
from songlens_shared.broker import connect
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.registry import load_backbone

VGG19, LITE2, TINY = "vgg19", "efficientnet_lite2", "tiny"


@dataclass(frozen=True)
class Published:
    """A server on which a model is live, and the backbone that it was made for, loaded in this process."""

    url: str
    server_pid: int
    folder: Path
    backbone: Backbone
    weights: Path | None

    def client(self) -> AsyncClient:
        """Return a client."""
        return AsyncClient(self.url)

    def vision_worker(self) -> Worker:
        """Return a vision worker that computes every photo, on the processor, with all cores."""
        weights = () if self.weights is None else ("--weights", str(self.weights))
        return self._worker(
            "vision",
            *("--models", str(self.folder / "models"), "--device", "cpu", *weights),
            *("--set", "cache_entries=0"),
        )

    def song_worker(self) -> Worker:
        """Return a song worker."""
        return self._worker("songs")

    def _worker(self, stage: str, *options: str) -> Worker:
        common = ("--redis", self.url, "--metrics-port", "0", "--log-format", "json")
        return Worker(stage, ["-m", "songlens", "worker", stage, *common, *options], folder=self.folder)

    @contextmanager
    def serving(self) -> Iterator[Serving]:
        """Start one worker of each stage, wait until they serve, and end them."""
        workers = Serving(self, self.vision_worker(), self.song_worker())
        with running(workers.vision, workers.songs):
            workers.vision.until_serving()
            workers.songs.until_serving()
            yield workers


@dataclass(frozen=True)
class Serving:
    """Workers that run."""

    system: Published
    vision: Worker
    songs: Worker

    def pids(self) -> dict[str, list[int]]:
        """Return the processes of each kind; this one is the client."""
        return {
            "client": [os.getpid()],
            "vision": [self.vision.pid],
            "songs": [self.songs.pid],
            "server": [self.system.server_pid],
        }


@contextmanager
def published(name: str, *, images: int, songs: int) -> Iterator[Published]:
    """Start a server and publish a made model of this backbone; VGG-19 has weights by chance."""
    with tempfile.TemporaryDirectory(prefix="songlens-") as place, EmbeddedBroker(Path(place) / "broker") as broker:
        folder, weights = Path(place), None
        if name == VGG19:
            from songlens_benchmarks.random_weights import write_vgg19

            weights = folder / "vgg19.pth"
            write_vgg19(weights)
        backbone = load_backbone(name, weights=weights, device="cpu")
        manifest = made_models.make_model(ModelStore(str(folder / "models")), backbone, images=images, songs=songs)
        with connect(broker.url) as connection:
            load_functions(connection)
            made_models.publish(connection, manifest)
        yield Published(broker.url, broker.pid, folder, backbone, weights)
