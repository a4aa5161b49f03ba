"""A results file as a page: what was measured on what, every target at once, and then each benchmark's table."""

from __future__ import annotations

import json
from collections.abc import Sequence

from songlens_benchmarks.results import Result, commits
from songlens_benchmarks.table import COLUMNS, cells, markdown


def page(results: Sequence[Result]) -> str:
    """Return Markdown."""
    return "\n\n".join((_about(results), _targets(results), markdown(results).rstrip())) + "\n"


def _about(results: Sequence[Result]) -> str:
    dates = sorted(result.about["date"] for result in results if "date" in result.about)
    lines = [
        f"- commit: {', '.join(commits(results))} (`+`: with changes that were not committed)",
        f"- from {dates[0]} to {dates[-1]}" if dates else "- date unknown",
        *(f"- {name}: {_each(results, name)}" for name in ("machine", "versions")),
    ]
    return "\n".join(lines)


def _each(results: Sequence[Result], name: str) -> str:
    """Return what stands under this name, once for each that differs."""
    seen = dict.fromkeys(json.dumps(result.about.get(name, {})) for result in results)
    return " / ".join(", ".join(f"{key} {value}" for key, value in json.loads(text).items()) for text in seen)


def _targets(results: Sequence[Result]) -> str:
    """Return the rows that have a target, of all benchmarks."""
    aimed = [result for result in results if result.row.target is not None]
    lines = [
        "## Targets",
        "",
        f"{sum(bool(result.row.met) for result in aimed)} of {len(aimed)} reached.",
        "",
        f"| benchmark | | {' | '.join(COLUMNS)} |",
        "| --- " * (len(COLUMNS) + 2) + "|",
        *(f"| {result.benchmark} | {result.row.what} | {' | '.join(cells(result.row))} |" for result in aimed),
    ]
    return "\n".join(lines)
