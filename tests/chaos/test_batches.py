"""A batch while everything that works on it is killed: each photo has one row at the end, and one only."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from batch_system import make_photos, read_rows
from chaos_fleet import Fleet
from chaos_models import publish_version, write_version
from mortal_broker import MortalBroker

from songlens_batch.batches import Batches
from songlens_batch.folder import MANIFEST
from songlens_batch.record import batch_config
from songlens_batch.result.manifest import BatchManifest
from songlens_shared.broker import connect
from songlens_shared.errors import BrokerError
from songlens_shared.server import load_functions
from songlens_workers.models.store import ModelStore

STAGES = {"heartbeat_ms": 500, "takeover_ms": 2000, "max_deliveries": 50}
JOBS = {"SONGLENS_TAKEOVER_S": "5"}


class JobWorkers:
    """Processes of `songlens worker jobs`, each started again when it has died."""

    def __init__(self, url: str, log: Path, count: int) -> None:
        self._environment = {**os.environ, **JOBS, "SONGLENS_REDIS_URL": url}
        self._log = log
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * count

    def tend(self) -> None:
        """Start every one that does not run."""
        for place, process in enumerate(self._processes):
            if process is None or process.poll() is not None:
                with self._log.open("ab") as log:
                    self._processes[place] = subprocess.Popen(
                        [sys.executable, "-m", "songlens", "worker", "jobs"],
                        env=self._environment,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )

    def kill_a_worker(self, dice: random.Random) -> None:
        """End one of them, and leave the processes that it had started alone."""
        process = dice.choice(self._processes)
        if process is not None:
            process.kill()

    def kill_a_job(self, dice: random.Random) -> None:
        """End a process that one of them had started: RQ's worker, or the one in which it runs a job."""
        begun = [pid for process in self._processes if process is not None for pid in descendants(process.pid)]
        if begun:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(begun), signal.SIGKILL)

    def stop(self) -> None:
        """End all of them, and what they have started."""
        for process in self._processes:
            if process is not None:
                for pid in [*descendants(process.pid), process.pid]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and that those have."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    children = [int(line) for line in found.stdout.split()]
    return [one for child in children for one in (child, *descendants(child))]


@contextmanager
def storm(broker: MortalBroker, fleet: Fleet, jobs: JobWorkers, every_s: tuple[float, float]) -> Iterator[Counter[str]]:
    """Kill one thing after another; give the count of each."""
    kills: Counter[str] = Counter()
    over, dice = threading.Event(), random.Random(7)

    def server(_: random.Random) -> None:
        broker.die()
        broker.start()

    ways = {"server": server, "job worker": jobs.kill_a_worker, "job": jobs.kill_a_job, "stage": fleet.kill_one}

    def rage() -> None:
        turns: list[str] = []
        while not over.wait(dice.uniform(*every_s)):
            turns = turns or dice.sample(sorted(ways), len(ways))
            way = turns.pop()
            ways[way](dice)
            kills[way] += 1
            jobs.tend()

    jobs.tend()
    thread = threading.Thread(target=rage)
    with fleet.running():
        thread.start()
        try:
            yield kills
        finally:
            over.set()
            thread.join(60)
            jobs.stop()


def wait_until_done(url: str, batch: str, jobs: JobWorkers, limit_s: float) -> str:
    """Look until the batch has ended; the server may be away at any moment."""
    until_s = time.monotonic() + limit_s
    state = ""
    while time.monotonic() < until_s:
        with suppress(BrokerError), Batches(url) as batches:
            found = batches.status(batch)
            state = f"{found.state}: {found.shards_done} of {found.shards} shards {found.why}"
            if found.ended:
                return found.state
        time.sleep(0.5)
    return state


@pytest.mark.timeout(1800)
def test_a_batch_survives_everything(tmp_path: Path, redis_server: Path | None, long: bool, report: Any) -> None:
    """Job workers, jobs, vision and song workers and the server are killed at random; every photo has exactly one row,
    every good one songs, and the manifest counts them."""
    count, broken = (20_000, 20) if long else (1_500, 5)
    source = make_photos(tmp_path / "photos", count - broken)
    for number in range(broken):
        (source / "000" / f"broken-{number}.jpg").write_bytes(b"no photo at all")
    write_version(ModelStore(str(tmp_path / "models")), "v1")
    started_s = time.monotonic()
    with MortalBroker(tmp_path / "mortal", binary=redis_server) as broker:
        with connect(broker.url) as connection:
            load_functions(connection)
            publish_version(connection, "v1")
        fleet = Fleet(broker.url, tmp_path / "fleet.log", songs=1, models=str(tmp_path / "models"), **STAGES)
        jobs = JobWorkers(broker.url, tmp_path / "jobs.log", 2)
        out = tmp_path / "out"
        with Batches(broker.url) as batches:
            batch = batches.submit(batch_config(str(source), shard_size=count // 15), str(out))
        with storm(broker, fleet, jobs, (2.0, 5.0) if long else (0.5, 1.5)) as kills:
            state = wait_until_done(broker.url, batch, jobs, 1500)
    rows = read_rows(out)
    again = Counter(row["id"] for row in rows)
    report(
        requests=count,
        kills=kills.total() + fleet.deaths - kills["stage"],
        lost=count - len(again),
        answered_twice=sum(seen > 1 for seen in again.values()),
        seconds=round(time.monotonic() - started_s, 1),
        killed=dict(kills),
    )
    assert state == "done", state
    assert len(rows) == len(again) == count
    assert Counter(row["status"] for row in rows) == {"ok": count - broken, "error": broken}
    assert all(row["songs"] for row in rows if row["status"] == "ok")
    manifest = BatchManifest.model_validate_json((out / MANIFEST).read_bytes())
    assert (manifest.images, manifest.errors) == (count, {"bad_image": broken})
    assert kills.total() >= 5
