"""`songlens worker drain`, as the preStop hook of ops/k8s runs it: real workers are emptied, and stay until SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from chaos_models import photo, publish_version, write_version
from free_ports import free_port, free_ports_in_a_row
from stages import wait_until

from songlens import Client
from songlens_shared.keys import PartitionKeys
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.worker import DRAINED

KEYS = PartitionKeys()
VERSION = "20260101-000000-tiny"


@contextmanager
def working(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "songlens", "worker", *arguments], env=os.environ | environment, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def drain(pid: int, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "songlens", "worker", "drain", str(pid)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ready(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_worker_is_emptied_and_stays(
    processes: int, tmp_path: Path, broker: EmbeddedBroker, connection: redis.Redis
) -> None:
    """It ends with 0 once every process holds nothing; what comes then waits; SIGTERM ends the worker with 0."""
    write_version(ModelStore(str(tmp_path / "models")), VERSION)
    publish_version(connection, VERSION)
    port = free_ports_in_a_row(processes)
    environment = {
        "SONGLENS_REDIS_URL": broker.url,
        "SONGLENS_METRICS_PORT": str(port),
        "SONGLENS_PROCESSES": str(processes),
        "SONGLENS_MODELS": str(tmp_path / "models"),
        "SONGLENS_CACHE_ENTRIES": "0",
        "SONGLENS_MAX_BATCH": "1",
    }
    ports = range(port, port + processes)
    with working(environment, "vision", "--device", "cpu") as worker, Client(broker.url) as client:
        wait_until(lambda: all(ready(each) == "ok\n" for each in ports), "ready", limit_s=120)
        for number in range(60):
            client.submit(photo(number), timeout_s=120)
        wait_until(lambda: connection.xlen(KEYS.hits) > 0, "at work")
        emptied = drain(worker.pid, environment)
        assert emptied.returncode == 0, emptied.stderr
        assert worker.poll() is None
        waiting = connection.xlen(KEYS.requests("interactive"))
        assert connection.xpending(KEYS.requests("interactive"), "vision")["pending"] == 0
        client.submit(photo(100), timeout_s=120)
        time.sleep(1)
        assert connection.xlen(KEYS.requests("interactive")) == waiting + 1
        assert all(DRAINED in ready(each) for each in ports)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0


def test_what_cannot_be_drained_is_said(tmp_path: Path) -> None:
    """Without a port, with a process id that is nobody's, and past the time to drain: status and sentence."""
    no_port = drain(os.getpid(), {})
    assert (no_port.returncode, "metrics_port" in no_port.stderr) == (2, True)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    gone = drain(ended.pid, {"SONGLENS_METRICS_PORT": str(free_port())})
    assert (gone.returncode, "cannot be asked" in gone.stderr) == (2, True)
    deaf = "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as hanging:
        assert hanging.stdout is not None and hanging.stdout.readline()
        late = drain(hanging.pid, {"SONGLENS_METRICS_PORT": str(free_port()), "SONGLENS_DRAIN_S": "0.2"})
        hanging.kill()
    assert (late.returncode, "no answer" in late.stderr) == (1, True)
