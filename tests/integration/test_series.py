"""How many series every process has, whatever goes through it: no id, user, client, trace or file is ever a label."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from batch_system import jpeg, submit
from chaos_models import photo, publish_version, write_version
from hits_entries import hand_over
from prometheus_client.parser import text_string_to_metric_families
from stages import wait_until
from watched_process import WatchedProcess, running, songlens

from songlens import Client
from songlens_batch.batches import Batches
from songlens_batch.jobs.standing import STATUSES
from songlens_batch.metrics import STATES
from songlens_shared import functions
from songlens_shared.codec import encode_request
from songlens_shared.errors import REQUEST_ERRORS, SonglensError
from songlens_shared.keys import LANES, PartitionKeys
from songlens_shared.messages import Request
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.exporter.backlog import HITS
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.batcher import Release

pytestmark = pytest.mark.timeout(240)

KEYS = PartitionKeys()
MARK = "zq7"
"""In every id, name and path of the load."""

BOUNDS = {"vision": 210, "songs": 200, "jobs": 110, "metrics": 45}
"""Series of one process, as docs/watching.md has them; each partition more adds 15 to the exporter's."""

CLOSED = {
    "stage": {"vision", "songs"},
    "code": {"ok", *REQUEST_ERRORS},
    "reason": set(Release),
    "step": {"queue", "decode", "embed", "search", "songs", "batch", "reply"},
    "lane": {*LANES, HITS},
    "partition": {"0"},
    "result": {"hit", "miss"},
    "device": {"cpu"},
    "kind": {"plan_batch", "score_shard", "finish_batch"},
    "outcome": {"done", "failed"},
    "state": {*STATES, "queued", "planned", "scored"},
    "status": set(STATUSES),
}
"""Labels, and all that they may say. A bucket's is a number; versions are told by three more."""
VERSIONS = {"model", "version", "python"}

Series = frozenset[tuple[str, frozenset[tuple[str, str]]]]


class Everything:
    """Processes of each kind, and a load that knows every code, each time with other ids, users and versions."""

    def __init__(self, folder: Path, broker: EmbeddedBroker, connection: redis.Redis) -> None:
        self._folder = folder
        self._url = broker.url
        self._redis = connection
        self._models = ModelStore(str(folder / "models"))
        to, quick = ["--redis", broker.url], ["--set", "model_poll_s=0.1", "--set", "takeover_ms=6000"]
        commands = {
            "vision": songlens("worker", "vision", *to, *quick, "--models", str(folder / "models")),
            "songs": songlens("worker", "songs", *to, *quick, "--set", "max_deliveries=1"),
            "jobs": songlens("worker", "jobs", *to, "--processes", "1"),
            "metrics": songlens("metrics", *to),
        }
        self.processes = {
            name: WatchedProcess(command, folder / f"{name}.log", folder / "home") for name, command in commands.items()
        }

    def series(self) -> dict[str, Series]:
        """Return every series of each process."""
        return {name: series(process.get("/metrics")[1]) for name, process in self.processes.items()}

    def load(self, number: int) -> None:
        """Publish a version, and send requests that end in every way."""
        self._without_a_model(number)
        write_version(self._models, f"{MARK}-{number}", seed=number)
        publish_version(self._redis, f"{MARK}-{number}", seed=number)
        for process in ("vision", "songs"):
            self._await_version(self.processes[process], number)
        with Client(self._url, name=f"{MARK}-client-{number}") as client:
            self._ask(client, number)
        self._spoil(number)
        self._score(number)
        wait_until(lambda: self._left() == 0, "the end of all requests", limit_s=60)

    def _await_version(self, process: WatchedProcess, number: int) -> None:
        wait_until(lambda: f'model="{MARK}-{number}"' in process.get("/metrics")[1], f"version {number}")

    def _without_a_model(self, number: int) -> None:
        if number == 0:
            with Client(self._url, name=f"{MARK}-early") as client, pytest.raises(SonglensError):
                client.recommend(photo(1), id=f"{MARK}-early")

    def _ask(self, client: Client, number: int) -> None:
        ids = (f"{MARK}-{number}-{count}" for count in itertools.count())
        for lane, seed in itertools.product(LANES, range(10)):
            trace = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
            user = f"{MARK}-user-{number}-{seed}"
            client.recommend(photo(seed), id=next(ids), lane=lane, user=user, trace=trace)
        client.features(photo(number), id=next(ids))
        for image in (b"no photo", photo(1)[:-200]):
            with pytest.raises(SonglensError):
                client.recommend(image, id=next(ids))
        client.submit(photo(2), id=next(ids), timeout_s=0.002)
        client.submit(photo(3), id=next(ids)).cancel()

    def _spoil(self, number: int) -> None:
        """Queue what no client of ours would, and what the song stage fails on."""
        good = encode_request(Request(id="r", client="app", image=photo(1)))
        for count, payload in enumerate((b"\xc1" * 50, good.replace(b"\xa1v\x01", b"\xa1v\x02"))):
            id = f"{MARK}-spoilt-{number}-{count}"
            request = Request(id=id, client=f"{MARK}-spoiler", image=b"-", ttl_ms=60_000)
            functions.submit(KEYS, request, payload).on(self._redis)
        hand_over(self._redis, f"{MARK}-poison-{number}", model=f"{MARK}-{number}", image=f"{MARK}-unknown")

    def _score(self, number: int) -> None:
        source = self._folder / f"{MARK}-photos-{number}"
        source.mkdir()
        for count in range(4):
            (source / f"{MARK}-{count}.jpg").write_bytes(jpeg(count) if count else b"no photo")
        batch = submit(self._url, source, self._folder / f"{MARK}-scored-{number}")
        with Batches(self._url) as batches:
            wait_until(lambda: batches.status(batch).ended, "the end of the batch", limit_s=60)

    def _left(self) -> int:
        return sum(int(self._redis.xlen(stream)) for stream in (*map(KEYS.requests, LANES), KEYS.hits))


def may_say(label: str, value: str) -> bool:
    """Say whether a label may have a value."""
    return float(value) > 0 if label == "le" else value in CLOSED[label]


def series(text: str) -> Series:
    """Return name and labels of each sample."""
    return frozenset(
        (sample.name, frozenset(sample.labels.items()))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    )


@pytest.fixture
def everything(broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path) -> Iterator[Everything]:
    """All of it, running."""
    system = Everything(tmp_path, broker, connection)
    with running(system.processes.values()):
        yield system


def test_the_number_of_series_is_bounded(everything: Everything) -> None:
    """Whatever ids, users, files and versions went through: every label says what is on a closed list."""
    for number in range(2):
        everything.load(number)
    for name, found in everything.series().items():
        assert 0 < len(found) <= BOUNDS[name], name
        labels = [label for _, labels in found for label in labels if label[0] not in VERSIONS]
        assert not [f"{label}={value}" for label, value in labels if not may_say(label, value)], name
    traces_are_exemplars_alone(everything.processes["songs"])


def traces_are_exemplars_alone(songs: WatchedProcess) -> None:
    """Trace ids are told beside a bucket of the latencies where OpenMetrics is asked for, and never else."""
    lines = songs.get("/metrics", "application/openmetrics-text")[1].splitlines()
    traced = [line for line in lines if "trace_id" in line]
    assert traced
    assert all(line.startswith("songlens_request_seconds_bucket{") and " # {trace_id=" in line for line in traced)
    assert "trace_id" not in songs.get("/metrics")[1]
