"""A running system that a real Prometheus watches with the rules of ops/ on a shorter scale, made to be broken."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from chaos_models import photo, publish_version, write_version
from limited_broker import LimitedBroker
from paced_worker import set_pace
from prometheus_server import OPS, Prometheus, prometheus
from shortened_rules import Scale, shortened
from watched_process import WatchedProcess, paced, running, songlens

from songlens import Client
from songlens_shared.broker import connect
from songlens_shared.errors import SonglensError
from songlens_shared.server import load_functions
from songlens_workers.models.store import ModelStore

DURATIONS, AGES = 30, 2
BALLAST_BYTES = 2**30
"""Written to the disk of SONGLENS_HOME, it brings what is free below the threshold that the rules have here."""

VERSION = "v1"
_EVERY = "500ms"
_STAGE_SETTINGS = ("model_poll_s=0.2", "heartbeat_ms=300", "takeover_ms=1000", "max_batch=4")
_SENDERS = 2


@dataclass(frozen=True)
class WatchedSystem:
    """All that a fault may need."""

    folder: Path
    home: Path
    broker: LimitedBroker
    connection: redis.Redis
    models: ModelStore
    vision: WatchedProcess
    songs: WatchedProcess
    jobs: WatchedProcess
    exporter: WatchedProcess
    server: Prometheus
    pace: Path = field(repr=False)

    @property
    def url(self) -> str:
        return self.broker.url

    @property
    def ballast(self) -> Path:
        """A file that is not there at the start."""
        return self.home / "ballast"


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Wait for a condition; say whether it came to hold."""
    until_s = time.monotonic() + limit_s
    while not (holds := condition()) and time.monotonic() < until_s:
        time.sleep(0.2)
    return holds


@contextmanager
def sending(work: Callable[[Client], None], url: str, threads: int = 1, pause_s: float = 0.0) -> Iterator[None]:
    """Have threads do this with a client of their own, again and again, whatever comes of it, until the end."""
    over = threading.Event()

    def send() -> None:
        with Client(url) as client:
            while not over.wait(pause_s):
                try:
                    work(client)
                except SonglensError:
                    over.wait(0.1)

    senders = [threading.Thread(target=send) for _ in range(threads)]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        over.set()
        for sender in senders:
            sender.join()


def _rules(folder: Path, home: Path) -> list[Path]:
    free = shutil.disk_usage(home).free - BALLAST_BYTES // 2
    scale = Scale(durations=DURATIONS, ages=AGES, free_disk_bytes=free)
    paths = [folder / name for name in ("recording.yml", "alerts.yml")]
    for path in paths:
        path.write_text(shortened((OPS / path.name).read_text(), scale))
    return paths


@contextmanager
def watched_system(folder: Path, binary: Path | None) -> Iterator[WatchedSystem]:
    """Start a server, a worker of each kind, the exporter and Prometheus; photos are sent all the while."""
    home, models, pace = folder / "home", ModelStore(str(folder / "models")), folder / "pace"
    home.mkdir()
    with ExitStack() as stack:
        broker = stack.enter_context(LimitedBroker(folder / "broker", binary=binary))
        connection = stack.enter_context(connect(broker.url))
        load_functions(connection)
        write_version(models, VERSION)
        publish_version(connection, VERSION)
        settings = [part for setting in _STAGE_SETTINGS for part in ("--set", setting)]
        to = ["--redis", broker.url]
        commands = {
            "vision": paced(pace, "vision", *to, *settings, "--models", str(models), "--set", "cache_entries=0"),
            "songs": songlens("worker", "songs", *to, *settings),
            "jobs": songlens("worker", "jobs", *to, "--processes", "1"),
            "metrics": songlens("metrics", *to),
        }
        processes = {name: WatchedProcess(command, folder / f"{name}.log", home) for name, command in commands.items()}
        set_pace(pace, 0)
        stack.enter_context(running(processes.values()))
        targets = {f"songlens-{name}": process.port for name, process in processes.items()}
        server = stack.enter_context(prometheus(folder, targets, rules=_rules(folder, home), every=_EVERY))
        stack.enter_context(sending(_recommend, broker.url, _SENDERS))
        yield WatchedSystem(
            folder=folder,
            home=home,
            broker=broker,
            connection=connection,
            models=models,
            vision=processes["vision"],
            songs=processes["songs"],
            jobs=processes["jobs"],
            exporter=processes["metrics"],
            server=server,
            pace=pace,
        )


def _recommend(client: Client) -> None:
    client.recommend(photo(time.monotonic_ns() % 50), timeout_s=30)
    time.sleep(0.02)
