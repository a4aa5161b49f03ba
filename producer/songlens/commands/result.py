"""`songlens result ID`: the songs of a photo that was sent earlier, perhaps by another process."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from songlens.client import Client
from songlens.commands.render import as_json, error_json, show
from songlens.commands.send import Redis
from songlens_shared.errors import RequestError


def command(
    id: Annotated[str, typer.Argument(help="Request id, as `songlens send --no-wait` prints it.", metavar="ID")],
    redis: Redis = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of a table.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for a reply in flight.")] = 0.0,
) -> None:
    """Show the songs of a photo that was sent earlier."""
    with Client(redis) as client:
        try:
            recommendation = client.result(id, timeout_s=timeout_s)
        except RequestError as error:
            if not json:
                raise
            typer.echo(error_json(error, id=id))
            raise typer.Exit(error.exit_status) from None
    if json:
        typer.echo(as_json(recommendation))
    else:
        show(Console(), id, recommendation)
