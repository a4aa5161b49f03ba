"""`songlens user forget|allow`: what Redis holds of one user is removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from songlens_shared.address import resolve_url
from songlens_shared.broker import broker_errors, open_redis
from songlens_shared.server import load_functions
from songlens_workers.settings import StageSettings, load_settings
from songlens_workers.users import Removed, Users

command = typer.Typer(no_args_is_help=True, help="Forget a user: remove what Redis holds of one.")

User = Annotated[str, typer.Argument(metavar="ID", help="The user, as requests and the listening log name them.")]
Redis = Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")]
Partitions = Annotated[int | None, typer.Option(help="Partitions of the queue; by default as the workers are set.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the counts as a JSON object.")]

_WHAT = {
    "vectors": "NE vectors, one for each published version that knew the user",
    "cancelled": "requests in flight, answered `cancelled`",
    "results": "results",
    "replies": "replies in reply channels",
    "dead_letters": "dead letters",
}


@command.command("forget")
def forget(user: User, redis: Redis = None, partitions: Partitions = None, as_json: AsJson = False) -> None:
    """Remove everything that Redis holds of a user, and leave the user out of versions published later."""
    with _users(redis, partitions) as users:
        removed = users.forget(user)
    if as_json:
        typer.echo(json.dumps(asdict(removed)))
        return
    _print(removed)
    typer.echo("Versions published from now on leave the user out; `songlens user allow` takes that back.")
    typer.echo("The listening log and the versions on disk are not touched: see docs/privacy.md.")


@command.command("allow")
def allow(user: User, redis: Redis = None, partitions: Partitions = None) -> None:
    """Let a forgotten user be in versions that are published from now on."""
    with _users(redis, partitions) as users:
        allowed = users.allow(user)
    typer.echo(
        "The next version that is published may hold the user." if allowed else "Nobody had forgotten this user."
    )


def _print(removed: Removed) -> None:
    if not removed:
        typer.echo("Nothing was found of this user.")
        return
    for name, count in asdict(removed).items():
        typer.echo(f"{count:6}  {_WHAT[name]}")


@contextmanager
def _users(redis: str | None, partitions: int | None) -> Iterator[Users]:
    url = resolve_url(redis)
    settings = load_settings(StageSettings, partitions=partitions)
    with broker_errors(url), open_redis(url) as connection:
        load_functions(connection)
        yield Users(connection, partitions=settings.partitions)
