"""`songlens up`: the whole system on this machine."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import structlog
import typer

from songlens_shared.address import URL_VARIABLE, home, safe_url
from songlens_workers.commands.processes import WorkerProcess, stop_all, watch
from songlens_workers.embedded import Address, EmbeddedBroker
from songlens_workers.log import configure_logging

_log = structlog.get_logger()


def command(
    redis: Annotated[
        str | None, typer.Option("--redis", help=f"Use this Redis, or {URL_VARIABLE}; by default an embedded Valkey.")
    ] = None,
    models: Annotated[str | None, typer.Option(help="Folder or object-store prefix of model versions.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Local file of the backbone's weights.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    devices: Annotated[
        str | None, typer.Option(help="One process on each of these devices for every vision worker: cuda:0,cuda:1.")
    ] = None,
    vision_workers: Annotated[int, typer.Option(min=1, help="Vision workers to run.")] = 1,
    song_workers: Annotated[int, typer.Option(min=1, help="Song workers to run.")] = 1,
    job_workers: Annotated[int, typer.Option(min=0, help="Job workers to run, for `songlens batch`.")] = 1,
) -> None:
    """Run everything here until Ctrl-C: Valkey (unless a Redis is given), vision, song and job workers."""
    configure_logging("console")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        url = redis or os.environ.get(URL_VARIABLE) or _embedded(stack)
        # Not on the command line: every user of the machine could read a password there.
        environment = {URL_VARIABLE: url}
        options = {"--models": models, "--weights": weights, "--device": device, "--devices": devices}
        vision = ["vision", *(str(part) for pair in options.items() if pair[1] is not None for part in pair)]
        stages = [
            ("vision", vision, vision_workers),
            ("songs", ["songs"], song_workers),
            ("jobs", ["jobs"], job_workers),
        ]
        workers = [
            WorkerProcess(f"{stage} {number + 1}", arguments, environment=environment)
            for stage, arguments, count in stages
            for number in range(count)
        ]
        stack.callback(stop_all, workers)
        for worker in workers:
            worker.start()
        _log.info(
            "up",
            redis=safe_url(url),
            vision_workers=vision_workers,
            song_workers=song_workers,
            job_workers=job_workers,
        )
        watch(workers, stop)


def _embedded(stack: ExitStack) -> str:
    address = Address()
    address.free()
    broker = stack.enter_context(EmbeddedBroker(home() / "broker"))
    address.claim(broker)
    stack.callback(address.release)
    return broker.url
