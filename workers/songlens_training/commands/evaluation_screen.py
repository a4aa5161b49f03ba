"""Shows evaluations and sweeps on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as ScreenTable

from songlens_training.evaluate.bootstrap import Interval
from songlens_training.evaluate.evaluation import Evaluation
from songlens_training.evaluate.metrics import HIT, PRECISION
from songlens_training.evaluate.report import METRIC_NAMES, Table, facts, list_table, score_table
from songlens_training.evaluate.sweep import Sweep
from songlens_training.evaluate.sweep_report import sweep_table


def show_evaluation(
    console: Console, evaluation: Evaluation, about: Mapping[str, Any], written: Sequence[Path]
) -> None:
    """Show what was evaluated, the table of the paper for each source of similar words, and where the rest is."""
    for fact in facts(evaluation, about):
        console.print(escape(fact), highlight=False, soft_wrap=True)
    for source in evaluation.sources:
        for metric in (PRECISION, HIT):
            title = f"{METRIC_NAMES[metric]} ± half its interval, similar words: {source}"
            _show(console, title, score_table(evaluation, source, metric, _with_half_width))
    _show(console, "the lists themselves", list_table(evaluation))
    _show_written(console, written)


def show_sweep(console: Console, sweep: Sweep, written: Sequence[Path]) -> None:
    """Show precision@10 of every setting."""
    for source in sweep.sources:
        title = f"{METRIC_NAMES[PRECISION]}, similar words: {source}"
        _show(console, title, sweep_table(sweep, source, PRECISION))
    _show_written(console, written)


def _show(console: Console, title: str, table: Table) -> None:
    header, rows = table
    shown = ScreenTable(*header, title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        shown.add_row(*map(escape, row))
    console.print(shown)


def _with_half_width(interval: Interval, sign: str) -> str:
    """Return `0.913 ±.012`, which fits into 80 columns; the interval itself is in the report."""
    return f"{interval.value:{sign}.3f} ±{(interval.high - interval.low) / 2:.3f}".replace("±0.", "±.")


def _show_written(console: Console, written: Sequence[Path]) -> None:
    for path in written:
        console.print(escape(str(path)), highlight=False, soft_wrap=True)
