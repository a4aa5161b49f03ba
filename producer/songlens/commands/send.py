"""`songlens send PHOTO...`: queue photos and show their songs."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from songlens.client import Client, Handle
from songlens.commands.render import as_json, error_json, queued_json, show
from songlens.core import RequestOptions
from songlens.photo import PhotoUri
from songlens.recommendation import Recommendation
from songlens_shared.errors import QueueFull, RequestError
from songlens_shared.keys import INTERACTIVE

_IN_FLIGHT = 64
_ADDRESS = "://"

Redis = Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")]


def command(
    photos: Annotated[
        list[str],
        typer.Argument(help="Photo files, or addresses (https://...) that the workers fetch.", metavar="PHOTO..."),
    ],
    redis: Redis = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of tables.")] = False,
    top_k: Annotated[int, typer.Option(help="Songs wanted.")] = 10,
    images_k: Annotated[int, typer.Option(help="Neighbour images that songs are taken from.")] = 5,
    songs_per_image: Annotated[int, typer.Option(help="Songs taken from each neighbour image.")] = 2,
    lane: Annotated[str, typer.Option(help="interactive or bulk.")] = INTERACTIVE,
    user: Annotated[str | None, typer.Option(help="Whom the songs are for, a user of the listening log.")] = None,
    user_weight: Annotated[
        float | None, typer.Option(help="Share of the user's taste, 0 to 1; by default what the workers are set to.")
    ] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds allowed for each photo.")] = 30.0,
    name: Annotated[str | None, typer.Option("--client", help="Name of a durable reply channel.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the songs; --no-wait prints request ids.")] = True,
) -> None:
    """Queue photos and show their songs."""
    options: RequestOptions = {
        "top_k": top_k,
        "images_k": images_k,
        "songs_per_image": songs_per_image,
        "lane": lane,
        "user": user,
        "user_weight": user_weight,
        "timeout_s": timeout_s,
    }
    failures = 0
    with Client(redis, name=name) as client:
        for photo, outcome in _outcomes(client, photos, options, wait=wait):
            failures += isinstance(outcome, RequestError)
            _print(photo, outcome, json=json)
    raise typer.Exit(1 if failures else 0)


Outcome = Recommendation | RequestError | str


def _outcomes(
    client: Client, photos: list[str], options: RequestOptions, *, wait: bool
) -> Iterator[tuple[str, Outcome]]:
    """Keep a bounded number of photos in flight, and yield what became of each in the order given."""
    in_flight: deque[tuple[str, Handle | RequestError]] = deque()
    remaining = iter(photos)
    while True:
        while len(in_flight) < _IN_FLIGHT and (photo := next(remaining, None)) is not None:
            in_flight.append((photo, _submit(client, photo, options)))
        if not in_flight:
            return
        photo, submitted = in_flight.popleft()
        yield photo, _await(submitted) if wait or isinstance(submitted, RequestError) else submitted.id


def _submit(client: Client, photo: str, options: RequestOptions) -> Handle | RequestError:
    """Queue a photo; a full lane is tried again, as it says, within the time allowed for the photo."""
    until = time.monotonic() + options["timeout_s"]
    while True:
        try:
            return client.submit(PhotoUri(photo) if _ADDRESS in photo else photo, **options)
        except QueueFull as error:
            if time.monotonic() + error.retry_after_ms / 1000 > until:
                return error
            time.sleep(error.retry_after_ms / 1000)
        except RequestError as error:
            return error


def _await(submitted: Handle | RequestError) -> Recommendation | RequestError:
    if isinstance(submitted, RequestError):
        return submitted
    try:
        return submitted.result()
    except RequestError as error:
        return error


def _print(photo: str, outcome: Outcome, *, json: bool) -> None:
    # A query may hold a password; only programs get it back, to know their photos by.
    shown = photo.partition("?")[0] if _ADDRESS in photo else photo
    match outcome:
        case RequestError() if json:
            typer.echo(error_json(outcome, photo=photo))
        case RequestError():
            sys.stderr.write(f"{shown}: {outcome.code}: {outcome.message}\n")
        case str() if json:
            typer.echo(queued_json(outcome, photo=photo))
        case str():
            typer.echo(outcome)
        case Recommendation() if json:
            typer.echo(as_json(outcome, photo=photo))
        case Recommendation():
            show(Console(), shown, outcome)
