"""`songlens dead list|show|replay|drop`: what workers gave up on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from songlens_shared.address import resolve_url
from songlens_shared.broker import broker_errors, open_redis
from songlens_shared.errors import ConfigError
from songlens_shared.server import load_functions
from songlens_workers.dead_letters import DeadLetter, DeadLetters
from songlens_workers.settings import Stage, StageSettings, load_settings

command = typer.Typer(no_args_is_help=True, help="Look at dead letters, replay or drop them.")

Redis = Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")]
Letters = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="Dead letters, as `songlens dead list` names them.")
]
Every = Annotated[bool, typer.Option("--all", help="Every dead letter there is.")]
OfStage = Annotated[Stage | None, typer.Option("--stage", help="With --all: of this stage only, vision or songs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


@command.command("list")
def list_(
    redis: Redis = None,
    limit: Annotated[int, typer.Option(help="Letters to show at most, the oldest first.", min=1)] = 50,
    json: AsJson = False,
) -> None:
    """List dead letters: whose request, which stage, and what went wrong."""
    with _dead_letters(redis) as dead:
        found = list(islice(dead, limit + 1))
    if json:
        for letter in found[:limit]:
            typer.echo(_as_json(letter))
        return
    console = Console()
    if not found:
        console.print("No dead letters.")
        return
    table = Table()
    table.add_column("id", no_wrap=True)  # to be copied
    table.add_column("request", no_wrap=True, overflow="ellipsis")
    for name in ("stage", "tries", "error"):
        table.add_column(name)
    for letter in found[:limit]:
        told = (letter.id, letter.request_id, letter.stage, str(letter.deliveries), letter.error)
        table.add_row(*map(Text, told))
    console.print(table)
    if len(found) > limit:
        console.print(f"There are more; --limit {2 * limit} shows them.")


@command.command("show")
def show(letter: Annotated[str, typer.Argument(metavar="ID")], redis: Redis = None, json: AsJson = False) -> None:
    """Show one dead letter; never the photo itself."""
    with _dead_letters(redis) as dead:
        found = dead.find(letter)
    if json:
        typer.echo(_as_json(found))
        return
    for name, value in _described(found).items():
        Console().print(f"[bold]{name}[/]  ", Text(str(value)), sep="", highlight=False, soft_wrap=True)


@command.command("replay")
def replay(
    letters: Letters = None,
    every: Every = False,
    stage: OfStage = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds from now to be answered.", min=0.001)] = 60.0,
    redis: Redis = None,
) -> None:
    """Put dead letters back at the start of their stage, with new time to be answered."""
    with _dead_letters(redis) as dead:
        for letter in _chosen(dead, letters, every, stage):
            done = dead.replay(letter, ttl_ms=round(timeout_s * 1000))
            typer.echo(f"{letter.id}: {'replayed' if done else 'gone meanwhile'}, request {letter.request_id}")


@command.command("drop")
def drop(letters: Letters = None, every: Every = False, stage: OfStage = None, redis: Redis = None) -> None:
    """Delete dead letters for good, with what they hold."""
    with _dead_letters(redis) as dead:
        for letter in _chosen(dead, letters, every, stage):
            done = dead.drop(letter)
            typer.echo(f"{letter.id}: {'dropped' if done else 'gone meanwhile'}, request {letter.request_id}")


@contextmanager
def _dead_letters(redis: str | None) -> Iterator[DeadLetters]:
    url = resolve_url(redis)
    partitions = load_settings(StageSettings).partitions
    with broker_errors(url), open_redis(url) as connection:
        load_functions(connection)
        yield DeadLetters(connection, partitions=partitions)


def _chosen(dead: DeadLetters, ids: list[str] | None, every: bool, stage: Stage | None) -> Iterable[DeadLetter]:
    """Return the letters that are meant, all found before the first is touched."""
    if every == bool(ids) or (stage is not None and not every):
        raise ConfigError("Name the dead letters, or all of them with --all, perhaps of one --stage.")
    if not every:
        return [dead.find(id) for id in ids or ()]
    return [letter for letter in dead if stage in (None, letter.stage)]


def _described(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "buried": _time(letter),
        "request": letter.request_id,
        "client": letter.client,
        "stage": letter.stage,
        "deliveries": letter.deliveries,
        "error": letter.error,
        "payload_bytes": letter.payload_bytes,
    }


def _as_json(letter: DeadLetter) -> str:
    return json.dumps(_described(letter), ensure_ascii=False)


def _time(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.buried_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")
