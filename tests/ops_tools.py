"""Command line tools that check operations files: of this machine, or fetched by `make test`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

_FETCHED = Path(__file__).parents[1] / ".venv" / "tools" / "usr" / "bin"


def tool(name: str) -> str:
    """Return the path of a command; skips the test where there is none."""
    found = shutil.which(name, path=str(_FETCHED)) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here; `make test` fetches Debian's where it can")
    return found
