"""A `songlens` process that tells of itself: its port, /metrics, /ready and /live."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_START_LIMIT_S = 90.0
_STOP_LIMIT_S = 20.0
_GET_LIMIT_S = 5.0
"""As long as Prometheus waits by ops/prometheus/prometheus.yml."""


def songlens(*arguments: str) -> list[str]:
    """Return what Python is given to run the command."""
    return ["-m", "songlens", *arguments]


def paced(pace: Path, *arguments: str) -> list[str]:
    """Return what Python is given to run `songlens worker` at the pace that a file says."""
    return [str(Path(__file__).with_name("paced_worker.py")), str(pace), *arguments]


@contextmanager
def running(processes: Collection[WatchedProcess]) -> Iterator[None]:
    """Start them all, and stop them all at the end."""
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            process.stop()


class WatchedProcess:
    """One `songlens` process; started again after an end, it serves its metrics on the same port."""

    def __init__(self, command: Sequence[str], log: Path, home: Path) -> None:
        self._command = list(command)
        self._log = log
        self._home = home
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait for nothing."""
        name = "--port" if "metrics" in self._command else "--metrics-port"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command, name, str(self._port), "--log-format", "json"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SONGLENS_HOME": str(self._home)},
            )

    @property
    def port(self) -> int:
        """The port of its metrics, as soon as it says so."""
        until_s = time.monotonic() + _START_LIMIT_S
        while not self._port:
            for line in self._log.read_text(errors="replace").splitlines():
                if '"health_served"' in line or '"metrics_served"' in line:
                    self._port = int(json.loads(line)["port"])
            assert self._process is not None
            assert self._process.poll() is None and time.monotonic() < until_s, self._log.read_text(errors="replace")
            time.sleep(0.05)
        return self._port

    def get(self, path: str, accept: str = "text/plain") -> tuple[int, str]:
        """Return status and text of a page of its health server."""
        asked = Request(f"http://127.0.0.1:{self.port}{path}", headers={"Accept": accept})
        try:
            with urlopen(asked, timeout=_GET_LIMIT_S) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def ask_to_stop(self) -> None:
        """Let it drain and end."""
        if self._process is not None:
            self._process.terminate()

    def ends(self) -> int:
        """Return its exit status."""
        assert self._process is not None
        return self._process.wait(_START_LIMIT_S)

    def kill(self) -> None:
        """End it without warning."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Let it drain, and wait until it has ended."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
