"""One worker as several processes: `songlens worker vision --processes 4 --devices cuda:0,cuda:1`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
import typer

from songlens_workers.commands.processes import KeepsEnding, WorkerProcess, stop_all, watch
from songlens_workers.settings import VisionSettings
from songlens_workers.vision.cpus import available_cpus

_STOP_SPARE_S = 5.0
"""What a process has on top of its time to drain before it is killed; less than `songlens up` gives us."""

_STOPPED = frozenset(
    status for number in (signal.SIGINT, signal.SIGTERM) for status in (0, -number.value, 128 + number.value)
)
"""How a process ends that was told to: drained, or, where it was only just starting, by the signal itself."""

_log = structlog.get_logger()


def vision_fleet(settings: VisionSettings, given: Mapping[str, Any], arguments: Sequence[str]) -> list[WorkerProcess]:
    """Return the processes that a vision worker consists of, not yet started.

    `given` is what the command line has set, which goes before all else; `arguments` go on to each process.
    """
    return [
        WorkerProcess(
            f"vision {number + 1}",
            ["vision", *arguments],
            # Not on the command line: every user of the machine could read a password there.
            environment=_environment({**given, **_own(settings, number)}),
            stop_limit_s=settings.drain_s + _STOP_SPARE_S,
        )
        for number in range(settings.process_count)
    ]


def _own(settings: VisionSettings, number: int) -> dict[str, Any]:
    """Return the settings in which a process differs from the whole."""
    own: dict[str, Any] = {
        "processes": 1,
        "devices": "",
        "threads": settings.threads or max(1, available_cpus() // settings.process_count),
    }
    if settings.devices:
        own["device"] = settings.devices[number % len(settings.devices)]
    if settings.metrics_port:
        own["metrics_port"] = settings.metrics_port + number
    if "consumer" in settings.model_fields_set:  # otherwise each takes a name with its process id
        own["consumer"] = f"{settings.consumer}-{number + 1}"
    return own


def _environment(settings: Mapping[str, Any]) -> dict[str, str]:
    return {f"SONGLENS_{name.upper()}": str(value) for name, value in settings.items() if value is not None}


def run_fleet(workers: Sequence[WorkerProcess]) -> None:
    """Run them until SIGTERM or SIGINT, starting again what ends, and let them drain; SIGUSR1 lets them drain and stay.

    Ends the command with the exit status of a process that keeps ending, or that did not drain as it should.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGUSR1, lambda *_: _drain(workers))
    failed = 0
    try:
        for worker in workers:
            worker.start()
            _log.info("process_started", worker=worker.name, pid=worker.pid)
        watch(workers, stop)
    except KeepsEnding as error:
        typer.echo(f"error: {error.message}", err=True)
        failed = error.status
    finally:
        statuses = stop_all(workers)
    failed = failed or next((status for status in statuses.values() if status not in _STOPPED), 0)
    _log.info("all_stopped", statuses=statuses)
    if failed:
        raise typer.Exit(failed if failed > 0 else 128 - failed)


def _drain(workers: Sequence[WorkerProcess]) -> None:
    for worker in workers:
        worker.ask_to_drain()
