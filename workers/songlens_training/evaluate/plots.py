"""Plots of evaluations and sweeps, as PNG and SVG.

Colours are those of Okabe and Ito, which colour-blind people can tell apart; systems differ by marker and dash too.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from songlens_training.evaluate.evaluation import Cell, Evaluation
from songlens_training.evaluate.metrics import HIT, PRECISION
from songlens_training.evaluate.report import METRIC_NAMES, PAPER, SYSTEM_NAMES
from songlens_training.evaluate.results import write_result
from songlens_training.evaluate.systems import KM, POP, PROPOSED, RANDOM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES: dict[str, dict[str, Any]] = {
    PROPOSED: {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    KM: {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    POP: {"color": "#009E73", "marker": "^", "linestyle": "-."},
    RANDOM: {"color": "#555555", "marker": "D", "linestyle": ":"},
}
SETTINGS: Any = {
    "svg.hashsalt": "songlens",  # the same figure gives the same file
    "font.size": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_PANEL_INCHES = (4.6, 3.6)
SHIFT = 0.07
"""Points at one place stand beside one another, so that no interval hides another."""


def plot_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Draw precision@10 and hit rate@10 by n, a row for each source; return evaluation.png and evaluation.svg."""
    from matplotlib import rc_context

    with rc_context(SETTINGS):
        figure, panels = panels_of(len(evaluation.sources), 2)
        for row, source in zip(panels, evaluation.sources, strict=True):
            for axes, metric in zip(row, (PRECISION, HIT), strict=True):
                _draw_systems(axes, evaluation, source, metric)
        _legend(figure, panels[0][0])
        return save(figure, folder / "evaluation")


def panels_of(rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure that no window shows, and its panels by row."""
    from matplotlib.figure import Figure

    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * columns, height * rows + 0.5), layout="constrained")
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG, without the time of writing in them."""
    png, svg = BytesIO(), BytesIO()
    figure.savefig(png, format="png", dpi=150)
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return [
        write_result(stem.with_suffix(".png"), png.getvalue()),
        write_result(stem.with_suffix(".svg"), svg.getvalue()),
    ]


def _draw_systems(axes: Axes, evaluation: Evaluation, source: str, metric: str) -> None:
    ns = evaluation.options.similar_words
    for number, system in enumerate(evaluation.systems):
        intervals = [evaluation.scores[Cell(source, system, n, metric)] for n in ns]
        values = [interval.value for interval in intervals]
        reach = [[i.value - i.low for i in intervals], [i.high - i.value for i in intervals]]
        places = [place + SHIFT * (number - (len(evaluation.systems) - 1) / 2) for place in range(len(ns))]
        style = STYLES[system] | {"label": SYSTEM_NAMES[system], "markersize": 5, "capsize": 3, "linewidth": 1.4}
        axes.errorbar(places, values, yerr=reach, **style)
    if metric == PRECISION:
        _draw_paper(axes, ns)
    axes.set_xticks(range(len(ns)), [str(n) for n in ns])
    axes.set_xlabel(f"n, similar words by {source}")
    axes.set_ylabel(METRIC_NAMES[metric])
    axes.set_ylim(0, 1.03)


def _draw_paper(axes: Axes, ns: Sequence[int]) -> None:
    """Mark the values of the paper, hollow."""
    for system, values in PAPER.items():
        shared = [(place, values[n]) for place, n in enumerate(ns) if n in values]
        if shared:
            places, heights = zip(*shared, strict=True)
            style = {"marker": STYLES[system]["marker"], "markeredgecolor": STYLES[system]["color"]}
            label = f"paper: {SYSTEM_NAMES[system]}"
            axes.plot(places, heights, linestyle="", markerfacecolor="none", markersize=9, label=label, **style)


def _legend(figure: Figure, axes: Axes) -> None:
    named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    first = [label for label in named if label in SYSTEM_NAMES.values()]
    labels = [*first, *(label for label in named if label not in first)]
    handles = [named[label] for label in labels]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(first), frameon=False)
