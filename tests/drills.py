"""The drills of ops/runbook.md as an operator does them: its own lines, typed into a shell, on real servers.

The programs that the lines name are ours and the machine's. `redis-server` is the server that the tests run on, on a
free port; `redis-cli` is redis_line.py where the machine has none.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
from free_ports import free_port

from songlens_shared.broker import connect
from songlens_shared.functions import library_source
from songlens_shared.server import library_revision
from songlens_workers.commands.processes import WorkerProcess

ROOT = Path(__file__).resolve().parents[1]
RUNBOOK = ROOT / "ops" / "runbook.md"
CONF = ROOT / "ops" / "redis" / "redis.conf"
GONE_LIMIT_S = 15.0


def lines_of(heading: str) -> str:
    """Return what is typed under a heading of the runbook: the lines of its first console block that have a prompt."""
    section = RUNBOOK.read_text("utf-8").split(f"### {heading}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
    block = section.split("```console\n", 1)[1].split("```", 1)[0]
    typed = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    assert typed, f"nothing is typed under {heading}"
    return "\n".join(typed)


def drills() -> set[str]:
    """Return the headings under which something is typed."""
    drilled = RUNBOOK.read_text("utf-8").split("\n## Drills\n", 1)[1].split("\n### ")[1:]
    return {section.partition("\n")[0] for section in drilled if "```console" in section}


def newer_library() -> str:
    """Return the functions library of a release to come: one function more, and what follows from that."""
    ours = library_revision(library_source())
    more = "\nredis.register_function('songlens_of_the_next_release', function() return 'next' end)\n"
    return library_source().replace(f"-- revision {ours}\n", f"-- revision {ours + 1}\n") + more


@dataclass
class Site:
    """A machine on which Songlens runs: folders, a server, worker processes."""

    folder: Path
    binary: Path
    """The server's program."""

    port: int = 0
    workers: list[WorkerProcess] = field(default_factory=list)
    """Those that run."""

    started: int = 0

    def __post_init__(self) -> None:
        self.port = free_port()
        log = self.folder / "server.log"
        programs = {
            "songlens": f'exec "{sys.executable}" -m songlens "$@"',
            "redis-server": f'exec "{self.binary}" "$@" --port {self.port} --bind 127.0.0.1 --logfile "{log}"',
        }
        if shutil.which("redis-cli") is None:
            programs["redis-cli"] = f'exec "{sys.executable}" "{Path(__file__).with_name("redis_line.py")}" "$@"'
        for name, line in programs.items():
            program = self.folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\n{line}\n")
            program.chmod(0o755)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    def type(self, heading: str, *, release: str = "", **variables: str) -> str:
        """Do what the runbook says under a heading; return what was shown. Raises where a line fails."""
        return self.shell(lines_of(heading), release=release, **variables)

    def shell(self, script: str, *, release: str = "", **variables: str) -> str:
        """Run lines in a shell that stops at the first that fails."""
        given = {
            "SONGLENS_REDIS_URL": self.url,
            "CONF": str(CONF),
            "DATA": str(self.data),
            "MODELS": str(self.models),
            "BACKUP": str(self.folder / "backup"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "COLUMNS": "160",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env={**os.environ, **given, **self._release(release), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"status {done.returncode} of\n{script}\n{done.stdout}"
        return done.stdout

    def start(self, *stages: str, release: str = "") -> list[WorkerProcess]:
        """Start a worker of each stage, of this release of ours or of another; wait until all of them serve."""
        started = []
        for stage in stages:
            self.started += 1
            name = f"{stage}-{self.started}"
            options = ["--device", "cpu", "--threads", "1", "--models", str(self.models)] if stage == "vision" else []
            settings = ["model_poll_s=0.2", "heartbeat_ms=500", "takeover_ms=4000"]
            settings += ["cache_entries=0"] if stage == "vision" else []
            common = ["--redis", self.url, *(part for setting in settings for part in ("--set", setting))]
            worker = WorkerProcess(
                name, [stage, *common, *options], log=self.folder / f"{name}.log", environment=self._release(release)
            )
            worker.start()
            self.workers.append(worker)
            started.append(worker)
        for worker in started:
            while "worker_started" not in (self.folder / f"{worker.name}.log").read_text():
                worker.check()
                time.sleep(0.02)
        return started

    def stop(self, workers: Sequence[WorkerProcess]) -> list[int]:
        """Have workers drain by SIGTERM; return their exit statuses."""
        for worker in workers:
            worker.ask_to_stop()
        for worker in workers:
            self.workers.remove(worker)
        return [worker.wait() for worker in workers]

    def connection(self) -> redis.Redis:
        return connect(self.url, retries=0)

    def kill_server(self) -> None:
        """End the server as a machine does whose power is gone."""
        with self.connection() as connection:
            pid = int(connection.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)
        until_s = time.monotonic() + GONE_LIMIT_S
        while _answers(self.port):
            assert time.monotonic() < until_s
            time.sleep(0.01)

    def _release(self, library: str) -> dict[str, str]:
        """Return the environment of a release that has this functions library; ours where it is empty."""
        if not library:
            return {}
        place = self.folder / "release"
        place.mkdir(exist_ok=True)
        (place / "functions.lua").write_text(library)
        # Python imports it at its start, before anything of ours.
        (place / "sitecustomize.py").write_text(
            "from pathlib import Path\n"
            "import songlens_shared.functions as functions\n"
            "functions.library_source = lambda: Path(__file__).with_name('functions.lua').read_text()\n"
        )
        return {"PYTHONPATH": os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def site(folder: Path, binary: Path) -> Iterator[Site]:
    """Yield one, and end whatever runs on it."""
    made = Site(folder, binary)
    try:
        yield made
    finally:
        made.stop(list(made.workers))
        with suppress(redis.ConnectionError):
            made.kill_server()
