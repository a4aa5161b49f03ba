"""Processes that a benchmark starts: watched until they serve, and always ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from songlens_shared.errors import SonglensError

_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 15.0
_LOOK_EVERY_S = 0.01
_LOG_END = 1500


class ProgramFailed(SonglensError):
    """a process that a benchmark needs has ended, or does not serve."""


class Program:
    """One process, whose output goes to a file."""

    def __init__(
        self, name: str, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """`arguments` are those of this Python; `environment` goes on top of ours."""
        self.name = name
        self._command = [sys.executable, *arguments]
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises `ProgramFailed` before `start`."""
        if self._process is None:
            raise ProgramFailed(f"{self.name} has not been started.")
        return self._process.pid

    def start(self) -> None:
        """Start it, with a file of its own for what it writes."""
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, env=self._environment
            )

    def output(self) -> str:
        """Return what it has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def check(self) -> None:
        """Raise `ProgramFailed`, with the end of its output, where it does not run any more."""
        if self._process is None or self._process.poll() is not None:
            raise ProgramFailed(f"{self.name} has ended; the end of what it said:\n{self.output()[-_LOG_END:]}")

    def until(self, serves: Callable[[], bool]) -> None:
        """Wait until it serves. Raises `ProgramFailed` where it never does."""
        until_s = time.monotonic() + _START_LIMIT_S
        while not serves():
            self.check()
            if time.monotonic() > until_s:
                raise ProgramFailed(f"{self.name} does not serve:\n{self.output()[-_LOG_END:]}")
            time.sleep(_LOOK_EVERY_S)

    def ask_to_stop(self) -> None:
        """Let it end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self) -> None:
        """Wait until it has ended; kill it where that takes too long."""
        if self._process is None:
            return
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(*programs: Program) -> Iterator[None]:
    """Start all of them, and end them."""
    try:
        for program in programs:
            program.start()
        yield
    finally:
        for program in programs:
            program.ask_to_stop()
        for program in programs:
            program.wait()
