"""`songlens top`: lanes, workers, model and jobs, live."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from songlens_shared.broker import broker_errors, open_redis
from songlens_workers.settings import JobsSettings, load_settings
from songlens_workers.top.look import Looking, jobs_of
from songlens_workers.top.screen import picture


def command(
    redis: Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")] = None,
    jobs_redis: Annotated[
        str | None, typer.Option("--jobs-redis", help="Address of the Redis that holds the jobs, where it is another.")
    ] = None,
    every_s: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look twice, print the second, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each look as a line of JSON.")] = False,
) -> None:
    """Show what waits, who works, which model is live and how the jobs stand, until Ctrl-C."""
    settings = load_settings(JobsSettings, redis_url=redis, jobs_redis_url=jobs_redis)
    with broker_errors(settings.redis_url), open_redis(settings.redis_url) as connection:
        look = Looking(connection, settings.partitions, jobs_of(settings.jobs_url))
        if once:
            look()
            time.sleep(every_s)
            found = look()
            if as_json:
                typer.echo(json.dumps(found.as_json(), ensure_ascii=False))
            else:
                Console().print(picture(found))
            return
        try:
            _watch(look, every_s, as_json=as_json)
        except KeyboardInterrupt:
            return


def _watch(look: Looking, every_s: float, *, as_json: bool) -> None:
    if as_json:
        while True:
            typer.echo(json.dumps(look().as_json(), ensure_ascii=False))
            time.sleep(every_s)
    with Live(picture(look()), auto_refresh=False, screen=Console().is_terminal) as live:
        while True:
            time.sleep(every_s)
            live.update(picture(look()), refresh=True)
