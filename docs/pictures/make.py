"""Watch a system for three minutes, and draw what `songlens top` and the dashboards show: docs/images/*.png.

    make pictures        (after `make demo`, whose model and photos this uses)

Photos come at random moments, one of twelve is none, a batch is scored beside them, and after half of the time the
vision worker is killed for a quarter of a minute.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from panels import BOARDS
from plots import draw
from prometheus_server import Prometheus, prometheus
from terminal import picture_of

from songlens import Client
from songlens_batch.batches import Batches
from songlens_batch.record import batch_config
from songlens_shared.address import home
from songlens_shared.broker import open_redis
from songlens_shared.errors import SonglensError
from songlens_shared.server import load_functions
from songlens_training.model.publish import publish_model
from songlens_workers.commands.processes import WorkerProcess, stop_all
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore
from songlens_workers.top.look import Looking, jobs_of
from songlens_workers.top.screen import picture

IMAGES = Path(__file__).resolve().parents[1] / "images"
WATCHED_S, KILLED_AT_S, AWAY_S = 180, 90, 15
PHOTOS_PER_S = 4.0
PORTS = {"songlens-vision": 19464, "songlens-songs": 19465, "songlens-jobs": 19466, "songlens-metrics": 19467}


def main() -> None:
    """Run it all, and write the pictures."""
    photos = sorted((home() / "catalogues" / "generated").rglob("*.jpg"))
    store = ModelStore(str(home() / "models"))
    if not photos or not store.versions():
        sys.exit("There is no model to draw pictures with; `make demo` first.")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(Path(folder) / "broker", persistent=True))
        with open_redis(broker.url) as connection:
            load_functions(connection)
            publish_model(store, store.versions()[-1], connection)
        vision = stack.enter_context(system(broker.url, Path(folder)))
        server = stack.enter_context(prometheus(Path(folder), PORTS))
        stack.enter_context(load(broker.url, photos))
        submit(broker.url, photos, Path(folder))
        began_s = time.time()
        watch(broker.url, vision, began_s)
        for board in BOARDS:
            draw(board, lambda query: series(server, query, began_s), IMAGES / f"{board.uid}.png")


def watch(url: str, vision: WorkerProcess, began_s: float) -> None:
    """Let the time go by, kill the vision worker for a while, and draw `songlens top` just before the end."""
    wait_until(began_s + KILLED_AT_S)
    assert vision.pid is not None
    os.kill(vision.pid, signal.SIGKILL)
    vision.wait()
    wait_until(began_s + KILLED_AT_S + AWAY_S)
    vision.start()
    wait_until(began_s + WATCHED_S - 20)
    with open_redis(url) as connection:
        look = Looking(connection, 1, jobs_of(url))
        while time.time() < began_s + WATCHED_S:
            found = look()
            time.sleep(2)
    picture_of(picture(found), width=110).save(IMAGES / "songlens-top.png")


def wait_until(moment_s: float) -> None:
    """Sleep until a moment."""
    time.sleep(max(0.0, moment_s - time.time()))


@contextmanager
def system(url: str, folder: Path) -> Iterator[WorkerProcess]:
    """One worker of each kind and the exporter; yields the vision worker."""
    common = ["--redis", url, "--log-format", "json", "--metrics-port"]
    workers: list[WorkerProcess] = []
    with ExitStack() as stack:
        stack.callback(lambda: stop_all(workers))
        for kind in ("songs", "jobs", "vision"):
            worker = WorkerProcess(kind, [kind, *common, str(PORTS[f"songlens-{kind}"])], log=folder / f"{kind}.log")
            worker.start()
            workers.append(worker)
        port = str(PORTS["songlens-metrics"])
        with (folder / "metrics.log").open("wb") as log:
            exporter = subprocess.Popen(
                [sys.executable, "-m", "songlens", "metrics", "--redis", url, "--port", port], stdout=log, stderr=log
            )
        stack.callback(exporter.wait)
        stack.callback(exporter.terminate)
        time.sleep(15)
        yield worker


@contextmanager
def load(url: str, photos: list[Path]) -> Iterator[None]:
    """Photos at random moments, of which one in twelve is none."""
    over, chance = threading.Event(), random.Random(7)

    def send(photo: bytes) -> None:
        try:
            client.recommend(photo, timeout_s=60)
        except SonglensError:
            return

    def arrive() -> None:
        while not over.wait(chance.expovariate(PHOTOS_PER_S)):
            photo = b"no photo" if chance.random() < 1 / 12 else chance.choice(photos).read_bytes()
            threading.Thread(target=send, args=(photo,), daemon=True).start()

    with Client(url) as client:
        thread = threading.Thread(target=arrive)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            time.sleep(2)


def submit(url: str, photos: list[Path], folder: Path) -> None:
    """Submit a batch of all photos."""
    with Batches(url) as batches:
        config = batch_config(str(photos[0].parents[1]), shard_size=100)
        batches.submit(config, str(folder / "scored"))


def series(server: Prometheus, query: str, began_s: float) -> list[dict[str, object]]:
    """Return what an expression was, from the beginning on."""
    found = server.get("query_range", query=query, start=str(began_s), end=str(began_s + WATCHED_S), step="2")
    return [
        {**one, "values": [(float(at) - began_s, value) for at, value in one["values"] if value != "NaN"] or [(0, "0")]}
        for one in found["result"]
    ]


if __name__ == "__main__":
    main()
