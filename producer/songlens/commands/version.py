"""`songlens --version`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer


def _show(wanted: bool) -> None:
    # Before the rest of the command line is looked at, which may name no verb.
    if wanted:
        typer.echo(f"songlens {version('songlens')}")
        raise typer.Exit


def option(
    wanted: Annotated[
        bool, typer.Option("--version", callback=_show, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Songs for a photograph: publish photos, run workers, build and publish models."""
