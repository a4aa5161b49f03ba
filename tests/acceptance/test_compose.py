"""compose.yaml runs: each service whose program this machine has, as a process with its own command and secrets."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_system import read_rows
from chaos_models import photo, publish_version, write_version
from compose_processes import Processes, compose_config, programs
from dockerfile import ROOT
from prometheus_server import Prometheus

from songlens_shared.broker import connect
from songlens_workers.embedded import _wheel_binary
from songlens_workers.models.store import ModelStore

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

NO_PROGRAM = ("grafana",)
"""No package has Grafana; its configuration is checked by the unit tests, its queries by test_watching."""
PHOTOS = 7


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as an operator has it: secrets, a model version, photos."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "ops", folder / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, folder / "ops/redis/make_secrets.py", folder / "secrets"], check=True)
    write_version(ModelStore(str(folder / "models")), "v1")
    (folder / "photos").mkdir()
    for number in range(PHOTOS):
        (folder / "photos" / f"{number}.jpg").write_bytes(photo(number))
    return folder


@pytest.fixture
def processes(project: Path, tmp_path: Path, redis_server: Path | None) -> Iterator[Processes]:
    """The services, none of them started."""
    config = compose_config(project, "tools")
    with Processes(config, tmp_path / "run", programs(redis_server or _wheel_binary())) as found:
        yield found


def publish(processes: Processes, project: Path) -> None:
    """Make the version live, as the operator."""
    password = (project / "secrets" / "operator").read_text().strip()
    url = f"redis://songlens-operator:{password}@127.0.0.1:{processes.port('redis', 6379)}"
    with connect(url) as connection:
        publish_version(connection, "v1")


def test_the_whole_system(processes: Processes, project: Path) -> None:
    """Started in order, healthy by its own checks; a photo gets ten songs, a batch its rows, and all end with 0.

    Prometheus reaches each of them, rq-dashboard shows the queue, nothing is written outside of volumes and tmpfs, and
    no log holds a password.
    """
    processes.up("redis")
    publish(processes, project)
    processes.up(without=(*NO_PROGRAM, "client", "operator", "batch"))

    sent = processes.run("client", "send", "/photos/0.jpg", "--json")
    assert sent.returncode == 0, sent.stderr
    assert len(json.loads(sent.stdout)["songs"]) == 10
    batch = processes.run("batch", "submit", "/photos", "--out", "/batches/first", "--shard-size", "4", "--watch")
    assert batch.returncode == 0, batch.stderr
    rows = read_rows(processes.volume("batches") / "first")
    assert [len(row["songs"]) for row in rows] == [10] * PHOTOS
    doctor = processes.run("operator")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr

    assert_watched(Prometheus(processes.port("prometheus", 9090)))
    with urllib.request.urlopen(dashboard(processes, "/0/data/queues.json"), timeout=20) as answer:
        assert [queue["name"] for queue in json.load(answer)["queues"]] == ["songlens-batch"]
    with pytest.raises(urllib.error.HTTPError, match="500"):
        urllib.request.urlopen(dashboard(processes, "/queue/songlens-batch/compact", "POST"), timeout=20)

    statuses = processes.down()
    assert statuses == dict.fromkeys(statuses, 0)
    assert len(statuses) == 7
    secrets = [path.read_text().strip() for path in (project / "secrets").iterdir()]
    for name in (*statuses, "client", "operator", "batch"):
        assert not list(processes.root(name).rglob("*")), name
        for secret in secrets if name in statuses else ():
            assert secret not in processes.log(name).read_text(errors="replace"), name


def assert_watched(prometheus: Prometheus) -> None:
    """Every target of its configuration is up."""
    until_s = time.monotonic() + 60
    while True:
        targets = prometheus.get("targets")["activeTargets"]
        up = {target["labels"]["job"] for target in targets if target["health"] == "up"}
        if up == {"songlens-vision", "songlens-songs", "songlens-jobs", "songlens-metrics"}:
            return
        assert time.monotonic() < until_s, targets
        time.sleep(0.3)


def dashboard(processes: Processes, path: str, method: str = "GET") -> urllib.request.Request:
    """Return a request to rq-dashboard."""
    return urllib.request.Request(f"http://127.0.0.1:{processes.port('rq-dashboard', 9181)}{path}", method=method)
