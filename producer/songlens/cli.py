"""The `songlens` command. The client's own verbs are here; server-side verbs are found through entry points.

Exit status: 0 all went well, 1 a request or a check failed, 2 wrong usage or settings, 3 no Redis, 4 a model cannot be
used, 5 data cannot be used.
"""

from __future__ import annotations

import signal
import sys
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Any, NoReturn

from songlens_shared.errors import SonglensError

_GROUP = "songlens.commands"


def main() -> None:
    """Run the command."""
    try:
        import typer  # noqa: F401
    except ImportError:
        sys.exit("The songlens command needs a few more packages: pip install 'songlens[cli]'")
    # By default SIGTERM ends Python without any clean-up, and servers and workers that a verb has started would go on.
    signal.signal(signal.SIGTERM, _end)
    try:
        _app()()
    except SonglensError as error:
        sys.stderr.write(f"error: {error.message}\n")
        sys.exit(error.exit_status)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _app() -> Any:
    import typer

    from songlens.commands import cancel, result, send, version

    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(version.option)
    app.command("send")(send.command)
    app.command("result")(result.command)
    app.command("cancel")(cancel.command)
    for entry_point in sorted(entry_points(group=_GROUP), key=lambda found: found.name):
        verb = _load(entry_point)
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=entry_point.name)
        else:
            app.command(entry_point.name)(verb)
    return app


def _load(entry_point: EntryPoint) -> Any:
    """Return the verb, or one that says which packages it needs where they are not installed."""
    try:
        return entry_point.load()
    except ImportError as error:
        missing = error.name
    extra = "training" if entry_point.module.startswith("songlens_training") else "workers"

    def unavailable() -> None:
        raise SonglensError(
            f"`songlens {entry_point.name}` needs more packages ({missing}): pip install 'songlens[{extra}]'"
        )

    unavailable.__doc__ = f"Not installed here: pip install 'songlens[{extra}]'"
    return unavailable
