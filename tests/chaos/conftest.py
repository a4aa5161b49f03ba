"""How long chaos lasts, and where its figures go."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

Report = Callable[..., None]


@pytest.fixture
def long(pytestconfig: pytest.Config) -> bool:
    """Whether the long form is wanted (`make chaos`) or the short one."""
    return bool(pytestconfig.getoption("--chaos"))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Print figures, and append them to the file of `--chaos-report`."""
    file: Path | None = request.config.getoption("--chaos-report")
    server = request.config.getoption("--redis-server")

    def write(**figures: Any) -> None:
        about = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "test": request.node.name,
            "server": server.name if server else "embedded valkey",
        }
        line = json.dumps(about | figures)
        print(line)
        if file is not None:
            with file.open("a", encoding="utf-8") as out:
                out.write(line + "\n")

    return write
