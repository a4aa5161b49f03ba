"""The `songlens` command itself, and how light the client package is."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, version
from typing import Any

import pytest

from songlens.cli import _load
from songlens_shared.errors import SonglensError


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env=PLAIN
    )


def songlens(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "songlens", *arguments], capture_output=True, text=True, check=False, env=PLAIN
    )


PLAIN = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}


def test_help_lists_every_verb() -> None:
    """The client's verbs and those of the server side, found by entry points, stand in the help with a sentence."""
    shown = songlens("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    for verb in ("send", "result", "up", "worker", "model", "doctor", "demo"):
        assert f"{verb} " in shown.stdout
    assert "Queue photos and show their songs." in shown.stdout


def test_version() -> None:
    """`songlens --version` names the release that is installed."""
    assert songlens("--version").stdout == f"songlens {version('songlens')}\n"


def test_help_of_a_verb_names_its_options() -> None:
    """Each option is listed with what it does."""
    shown = songlens("send", "--help").stdout
    for option in (
        "--redis",
        "--json",
        "--top-k",
        "--images-k",
        "--songs-per-image",
        "--lane",
        "--timeout",
        "--no-wait",
    ):
        assert option in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["sing"], "No such command 'sing'"),
        (["send"], "Missing argument 'PHOTO...'"),
        (["result"], "Missing argument 'ID'"),
        (["send", "a.jpg", "--top-k", "many"], "Invalid value for '--top-k'"),
        (["send", "a.jpg", "--redis", "nonsense"], "is not a Redis URL"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str) -> None:
    """Wrong usage ends with status 2 and a sentence, never with a stack trace."""
    ended = songlens(*arguments)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_typer_the_command_says_what_to_install() -> None:
    """An app's environment without the `cli` extra gets one sentence."""
    ended = python("import sys; sys.modules['typer'] = None; from songlens.cli import main; main()")
    assert ended.returncode == 1
    assert ended.stderr.strip() == "The songlens command needs a few more packages: pip install 'songlens[cli]'"


@pytest.mark.parametrize(
    ("module", "extra"), [("songlens_workers.not_there", "workers"), ("songlens_training.not_there", "training")]
)
def test_a_verb_that_is_not_installed_says_which_extra(module: str, extra: str) -> None:
    """Where the server side is not installed its verbs still stand in the help, and say how to get them."""
    verb: Any = _load(EntryPoint("up", f"{module}:command", "songlens.commands"))
    assert f"pip install 'songlens[{extra}]'" in verb.__doc__
    with pytest.raises(SonglensError, match=rf"`songlens up` needs more packages .*pip install 'songlens\[{extra}\]'"):
        verb()


HEAVY = ["torch", "torchvision", "numpy", "faiss", "rq", "typer", "rich", "PIL", "jieba", "numba", "pyarrow"]


def test_importing_the_client_is_light() -> None:
    """`import songlens` brings redis and msgpack, and neither the workers nor any of their packages."""
    code = "import sys, songlens; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(python(code).stdout.split())
    assert {"songlens", "songlens_shared", "redis", "msgpack"} <= loaded
    assert not loaded & {*HEAVY, "songlens_workers", "songlens_training"}


def test_the_client_works_where_nothing_else_is_installed() -> None:
    """With every heavy package blocked, the clients can be imported and made, and a photo can be prepared."""
    code = """
import sys
for name in sys.argv[1:]:
    sys.modules[name] = None
import asyncio
from songlens import AsyncClient, BadImage, Client
from songlens.photo import photo_bytes
assert photo_bytes(b"a photo") == b"a photo"
with Client("redis://127.0.0.1:1"):
    pass
asyncio.run(AsyncClient("redis://127.0.0.1:1").close())
"""
    ended = python(code, *HEAVY)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_importing_starts_nothing() -> None:
    """No thread is started and no environment is read by an import."""
    code = """
import os, threading
reads = []
class Watched(dict):
    def get(self, name, default=None):
        reads.append(name)
        return default
import redis, msgpack, redis.asyncio
os.environ = Watched()
import songlens
assert threading.active_count() == 1
assert not [name for name in reads if name.startswith("SONGLENS")], reads
"""
    ended = python(code)
    assert (ended.returncode, ended.stderr) == (0, "")
