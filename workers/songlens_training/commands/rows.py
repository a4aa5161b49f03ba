"""What is said on the screen of the rows that were read: how many were taken, and which were refused."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from songlens_training.catalogue.tables import RowSummary


def print_rows(console: Console, summaries: Iterable[RowSummary], rejects: Path | None) -> None:
    """Print the counts of each source, each reason for a refusal with its first line, and where the rejects are."""
    refused = 0
    for summary in summaries:
        refused += summary.refused_rows
        taken = f"{summary.accepted} rows taken, {summary.refused_rows} refused"
        console.print(f"{escape(summary.source)}: {taken}", highlight=False, soft_wrap=True)
        for note in summary.notes:
            console.print(f"    {escape(note)}", highlight=False, soft_wrap=True)
        for reason, count in summary.refused.items():
            line = summary.first_lines.get(reason)
            first = "" if line is None else f" (first in line {line})"
            console.print(f"    {count} x {escape(reason)}{first}", highlight=False, soft_wrap=True)
    if refused and rejects is not None:
        console.print(f"Refused rows, with line and reason: {escape(str(rejects))}", highlight=False, soft_wrap=True)
