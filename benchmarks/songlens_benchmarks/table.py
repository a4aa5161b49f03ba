"""Results as people see them: figure, limit, baseline, target, and whether it is reached."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from songlens_benchmarks.results import Result
from songlens_benchmarks.row import Reference, Row, Target

COLUMNS = ("measured", "of its limit", "to its baseline", "target", "")


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """Return the cells of a row, after its name; an empty one where there is nothing to say."""
    return (
        f"{figure(row.value)} {row.unit}".strip(),
        _compared(row, row.limit, "limit"),
        _compared(row, row.baseline, "baseline"),
        _target(row.target),
        {None: "", True: "reached", False: "missed"}[row.met],
    )


def markdown(results: Sequence[Result]) -> str:
    """Return a Markdown table of each benchmark."""
    parts = []
    for name, found in groupby(results, lambda result: result.benchmark):
        lines = [f"## {name}", "", f"| | {' | '.join(COLUMNS)} |", "| --- " * (len(COLUMNS) + 1) + "|"]
        notes = []
        for result in found:
            mark = ""
            if result.row.note:
                notes.append(result.row.note)
                mark = f" ({len(notes)})"
            lines.append(f"| {result.row.what}{mark} | {' | '.join(cells(result.row))} |")
        lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts) + "\n"


def figure(value: float) -> str:
    """Return a number with three digits that mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _compared(row: Row, reference: Reference | None, of: str) -> str:
    if reference is None:
        return ""
    ratio = row.ratio("limit" if of == "limit" else "baseline")
    times = "" if ratio is None else f"{figure(ratio)} × "
    return f"{times}{reference.name} ({figure(reference.value)})"


def _target(target: Target | None) -> str:
    if target is None:
        return ""
    sign, bound = ("≥", target.at_least) if target.at_least is not None else ("≤", target.at_most)
    return (
        f"{sign} {figure(bound or 0.0)}" + {"value": "", "limit": " of the limit", "baseline": " × baseline"}[target.of]
    )
