"""Empties a worker before it is stopped, and says whether that worked: what a preStop hook of Kubernetes runs."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request

from songlens_shared.errors import ConfigError, SonglensError
from songlens_workers.runtime.worker import DRAINED
from songlens_workers.settings import VisionSettings

_LOOK_EVERY_S = 0.1


class NotDrained(SonglensError):
    """The worker still held something when its time to drain was over."""


def drain_worker(pid: int, settings: VisionSettings) -> None:
    """Ask the worker to drain and wait for it, `drain_s` at most.

    Raises `NotDrained` with what its processes said last, and `ConfigError` where there is no such worker.
    """
    if not settings.metrics_port:
        raise ConfigError("draining is watched by /ready: give the worker's metrics_port (SONGLENS_METRICS_PORT).")
    try:
        os.kill(pid, signal.SIGUSR1)
    except OSError as error:
        raise ConfigError(f"process {pid} cannot be asked to drain: {error.strerror}.") from None
    until_s = time.monotonic() + settings.drain_s
    left = [settings.metrics_port + number for number in range(settings.process_count)]
    while left := [port for port in left if DRAINED not in _state(port)]:
        if time.monotonic() >= until_s:
            raise NotDrained("; ".join(f"port {port}: {_state(port) or 'no answer'}" for port in left))
        time.sleep(_LOOK_EVERY_S)


def _state(port: int) -> str:
    """Return what /ready says, in one line."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return str(answer.read().decode()).strip()
    except urllib.error.HTTPError as error:
        return error.read().decode().strip().replace("\n", "; ")
    except OSError:
        return ""
