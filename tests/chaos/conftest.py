"""How long chaos lasts, and where its figures go."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

Report = Callable[..., None]

FIGURES = "chaos"
COLUMNS = {
    "requests": "requests",
    "inputs": "inputs",
    "kills": "kills",
    "taken over": "taken_over",
    "refused twice": "duplicates_refused",
    "lost": "lost",
    "twice": "answered_twice",
    "worst s": "worst_delay_s",
    "seconds": "seconds",
}
"""Of the table at the end: title and figure."""


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
        request.node.user_properties.append((FIGURES, about | figures))
        if file is not None:
            with file.open("a", encoding="utf-8") as out:
                out.write(line + "\n")

    return write


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each scenario that reported figures, where the long form was wanted."""
    if not terminalreporter.config.getoption("--chaos"):
        return
    done = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    rows = [figures for report in done for name, figures in report.user_properties if name == FIGURES]
    if not rows:
        return
    width = max(len(figures["test"]) for figures in rows)
    terminalreporter.section("chaos")
    terminalreporter.write_line(" ".join(["test".ljust(width), *(title.rjust(13) for title in COLUMNS)]))
    for figures in rows:
        cells = [str(figures.get(name, "")).rjust(13) for name in COLUMNS.values()]
        terminalreporter.write_line(" ".join([figures["test"].ljust(width), *cells]))
