"""A group of verbs in which one need not be named: `songlens eval --songs ...` is `songlens eval run --songs ...`."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

DEFAULT_VERB = "run"


class DefaultVerbGroup(TyperGroup):
    """Puts the default verb before arguments that name no verb of the group."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse as every group does, the default verb put in; a bare call and `--help` show the verbs."""
        if args and args[0] != "--help" and args[0] not in self.commands:
            args = [DEFAULT_VERB, *args]
        return super().parse_args(ctx, args)
