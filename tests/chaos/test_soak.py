"""Memory stays flat: of the server, of the workers and of the app, over 200,000 photos through the real stages.

Every so many requests the queue is let run empty, and memory is measured; a line through the second half of the
measurements gives the growth for each request. A leak of 100 bytes a request is 10 MB for each 100,000, and half of
that is the bound of the long form. The short form has 1,000 requests to measure over, where a few hundred KB of a
process that has just started are hundreds of bytes a request: it finds leaks of a photo's size. Replies are kept for
a second instead of an hour, and the reply channel for 1,000 replies instead of 10,000, so that both are full long
before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from chaos_fleet import AT, Fleet, left_over, without
from chaos_models import photo, publish_version, write_version

from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore

SETTINGS = {"max_batch": 64, "max_in_flight": 256, "result_ttl_s": 1, "replies_max": 1000}
SAMPLES = 40


@dataclass(frozen=True)
class Bound:
    """Growth allowed, in bytes for each request."""

    server: float
    process: float


LONG, SHORT = Bound(server=50, process=50), Bound(server=1000, process=8000)


@dataclass
class Memory:
    """Bytes of each process by the number of requests that had been answered."""

    requests: list[int] = field(default_factory=list)
    used: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def measure(self, requests: int, connection: redis.Redis, processes: Mapping[str, int]) -> None:
        """Add a measurement."""
        self.requests.append(requests)
        self.used["server"].append(int(connection.info("memory")["used_memory"]))
        for name, pid in processes.items():
            resident = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True).stdout
            self.used[name].append(int(resident) * 1024)

    def growth(self) -> dict[str, float]:
        """Return bytes for each request: the slope of a line through the second half."""
        half = len(self.requests) // 2
        return {
            name: round(float(np.polyfit(self.requests[half:], used[half:], 1)[0]), 1)
            for name, used in self.used.items()
        }


def soak(
    broker: EmbeddedBroker, connection: redis.Redis, fleet: Fleet, folder: Path, requests: int
) -> tuple[dict[str, Any], Memory]:
    """Return what became of the requests, and what was measured."""
    memory = Memory()
    given = {"url": broker.url, "requests": requests, "samples": SAMPLES, "photos": str(photos(folder / "photos"))}
    with fleet.running():
        processes = dict(zip(("vision", "songs"), fleet.pids, strict=True)) | {"server process": broker.pid}
        command = [sys.executable, str(Path(__file__).parents[1] / "chaos_app.py"), json.dumps(given)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as app:
            try:
                for line in iter(app.stdout.readline, ""):  # type: ignore[union-attr]
                    if line.startswith("{"):
                        return json.loads(line) | {"left": left_over(connection)}, memory
                    memory.measure(int(line), connection, processes | {"app": app.pid})
                    app.stdin.write("\n")  # type: ignore[union-attr]
                    app.stdin.flush()  # type: ignore[union-attr]
            finally:
                app.kill()
    raise AssertionError("the app ended before it was done")


def photos(folder: Path) -> Path:
    """Write the photos that are sent."""
    folder.mkdir()
    for number in range(64):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    return folder


def check(memory: Memory, bound: Bound) -> None:
    """No process grows by more than is allowed."""
    growth = memory.growth()
    assert growth.pop("server") < bound.server
    assert {name: grown for name, grown in growth.items() if grown >= bound.process} == {}


@pytest.fixture
def models(connection: redis.Redis, tmp_path: Path) -> Iterator[str]:
    """A live version."""
    write_version(ModelStore(str(tmp_path / "models")), "v1")
    publish_version(connection, "v1")
    return str(tmp_path / "models")


@pytest.mark.timeout(900)
def test_memory_stays_flat(
    broker: EmbeddedBroker, connection: redis.Redis, models: str, tmp_path: Path, long: bool, report: Any
) -> None:
    """Every request is answered once, and neither server nor workers nor app have grown."""
    requests, started_s = 200_000 if long else 2000, time.monotonic()
    fleet = Fleet(broker.url, tmp_path / "workers.log", vision=1, songs=1, models=models, **SETTINGS)
    account, memory = soak(broker, connection, fleet, tmp_path, requests)
    report(
        requests=requests,
        **account,
        seconds=round(time.monotonic() - started_s, 1),
        mb_at_the_end={name: round(used[-1] / 1e6, 1) for name, used in memory.used.items()},
        growth_mb_per_100_000={name: round(grown / 10, 2) for name, grown in memory.growth().items()},
    )
    assert fleet.deaths == 0
    assert account == {"lost": 0, "answered_twice": 0, "failed": [], "left": {}}
    check(memory, LONG if long else SHORT)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("leak", ["entries stay", "a worker keeps something"])
def test_leaks_are_found(
    broker: EmbeddedBroker, connection: redis.Redis, models: str, tmp_path: Path, leak: str
) -> None:
    """Acknowledged entries that are not deleted make the server grow, and what a worker keeps the worker."""
    settings: dict[str, Any] = dict(SETTINGS)
    if leak == "entries stay":
        connection.function_load(without("deleting"), replace=True)
        connection.hset(AT.limits, mapping={"interactive.depth": 1_000_000})  # or the lane would soon be full
    else:
        settings["broken"] = ["memory"]
    fleet = Fleet(broker.url, tmp_path / "workers.log", vision=1, songs=1, models=models, **settings)
    _, memory = soak(broker, connection, fleet, tmp_path, 2000)
    with pytest.raises(AssertionError):
        check(memory, SHORT)
    grown = {name for name, growth in memory.growth().items() if growth > SHORT.server}
    assert ("server" if leak == "entries stay" else "vision") in grown
