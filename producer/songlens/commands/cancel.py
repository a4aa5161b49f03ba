"""`songlens cancel ID...`: take requests back."""

from __future__ import annotations

from typing import Annotated

import typer

from songlens.client import Client
from songlens.commands.send import Redis
from songlens_shared.errors import UnknownRequest


def command(
    ids: Annotated[list[str], typer.Argument(help="Request ids, as `songlens send --no-wait` prints them.")],
    redis: Redis = None,
) -> None:
    """Take requests back: their photos leave Redis at once, and whoever waits is told."""
    failed = False
    with Client(redis) as client:
        for id in ids:
            try:
                cancelled = client.cancel(id)
            except UnknownRequest as error:
                typer.echo(f"error: {error.message}", err=True)
                failed = True
            else:
                typer.echo(f"{id}: {'cancelled' if cancelled else 'answered before'}")
    if failed:
        raise typer.Exit(1)
