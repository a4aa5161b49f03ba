"""Workers as child processes of a command: started, watched, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from songlens_shared.errors import SonglensError

_STOP_LIMIT_S = 40.0
_LOOK_EVERY_S = 0.5
_log = structlog.get_logger()


class KeepsEnding(SonglensError):
    """A worker ends again and again, however often it is started."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"the {name} worker keeps ending (status {status}); see its last lines above.")
        self.status = status
        """Its exit status; negative where a signal ended it."""


class WorkerProcess:
    """One `songlens worker ...` process."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stop_limit_s: float = _STOP_LIMIT_S,
    ) -> None:
        """`environment` goes on top of ours. A worker that takes longer than `stop_limit_s` to drain is killed."""
        self.name = name
        self._arguments = list(arguments)
        self._log = log
        self._environment = dict(environment or {})
        self._stop_limit_s = stop_limit_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; its log lines go to the given file, or where ours go."""
        command = [sys.executable, "-m", "songlens", "worker", *self._arguments]
        environment = {**os.environ, **self._environment}
        if self._log is None:
            self._process = subprocess.Popen(command, env=environment)
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)

    def exit_status(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self._process.poll() if self._process else None

    def check(self) -> None:
        """Raise `SonglensError` with the end of the log where the process has ended."""
        status = self.exit_status()
        if status is None:
            return
        tail = self._log.read_text(errors="replace")[-1500:] if self._log and self._log.exists() else ""
        raise SonglensError(f"the {self.name} worker has ended with status {status}.\n{tail}")

    def ask_to_stop(self) -> None:
        """Let it drain and end."""
        self._send(signal.SIGTERM)

    def ask_to_drain(self) -> None:
        """Let it drain and stay."""
        self._send(signal.SIGUSR1)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has drained; end it where that takes too long. Returns the exit status."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(self._stop_limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def stop_all(workers: Sequence[WorkerProcess]) -> dict[str, int]:
    """Stop all of them at once, in the time that the slowest takes; return the exit status of each by its name."""
    for worker in workers:
        worker.ask_to_stop()
    return {worker.name: worker.wait() for worker in workers}


class Restarts:
    """Allows a worker to be started again, but not for ever in a circle."""

    def __init__(self, limit: int = 3, killed_limit: int = 12, window_s: float = 60.0) -> None:
        """A worker that was killed did not give up by itself, and every photo that kills may do so several times."""
        self._limit = limit
        self._killed_limit = killed_limit
        self._window_s = window_s
        self._times: list[float] = []

    def allow(self, status: int) -> bool:
        """Say whether one more restart after this exit status is within the limit, and count it."""
        now = time.monotonic()
        self._times = [earlier for earlier in self._times if now - earlier < self._window_s]
        self._times.append(now)
        return len(self._times) <= (self._killed_limit if status < 0 else self._limit)


def watch(workers: Sequence[WorkerProcess], stop: threading.Event) -> None:
    """Start again whichever worker ends, until `stop` is set. Raises `KeepsEnding` for one that never stays."""
    restarts = {worker.name: Restarts() for worker in workers}
    while not stop.wait(_LOOK_EVERY_S):
        for worker in workers:
            status = worker.exit_status()
            if status is None:
                continue
            if not restarts[worker.name].allow(status):
                raise KeepsEnding(worker.name, status)
            _log.warning("worker_restarted", worker=worker.name, status=status)
            worker.start()
