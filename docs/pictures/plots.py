"""The panels of a dashboard, drawn from what a Prometheus has scraped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, Formatter, PercentFormatter, StrMethodFormatter
from panels import Board, Panel

Range = Callable[[str], list[dict[str, Any]]]
"""Returns the series of an expression: `metric` (labels) and `values` (pairs of time and text)."""

matplotlib.use("Agg")
_UNITS = {"s": "s", "bytes": "B", "KBs": "kB/s", "reqps": "/s", "ops": "/s"}
_LEAST = {"s": 1e-3, "percentunit": 0.1}
"""The least that an axis reaches up to."""

_MOST_LEGENDS = 8


def draw(board: Board, ask: Range, path: Path) -> None:
    """Write the board's panels, three to a row, as a PNG."""
    rows = [
        (title if at == 0 else "", panels[at : at + 3])
        for title, panels in board.rows
        for at in range(0, len(panels), 3)
    ]
    figure, grid = plt.subplots(len(rows), 3, figsize=(15, 2.9 * len(rows)), squeeze=False, layout="constrained")
    for (title, panels), axes in zip(rows, grid, strict=True):
        axes[0].annotate(title, (0, 1.2), xycoords="axes fraction", fontsize=11, fontweight="bold")
        for place, panel in zip(axes, panels, strict=False):
            _panel(place, panel, ask)
        for place in axes[len(panels) :]:
            place.axis("off")
    figure.suptitle(f"{board.title}, by minutes", fontsize=13)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _panel(axes: Axes, panel: Panel, ask: Range) -> None:
    drawn = 0
    for expression, legend in panel.queries:
        for series in ask(expression):
            times, values = zip(*((at / 60, float(value)) for at, value in series["values"]), strict=True)
            axes.plot(times, values, label=_legend(legend, series["metric"]), linewidth=1.3)
            drawn += 1
    axes.set_title(panel.title, fontsize=9, loc="left")
    axes.set_ylim(0, max(axes.get_ylim()[1] * 1.25, _LEAST.get(panel.unit, 1)) if drawn else 1)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.yaxis.set_major_formatter(_formatter(panel.unit))
    if not drawn:
        axes.text(0.5, 0.5, "no data", ha="center", transform=axes.transAxes, color="grey")
    elif drawn <= _MOST_LEGENDS:
        axes.legend(fontsize=6.5, loc="upper left", framealpha=0.6, ncols=2)


def _formatter(unit: str) -> Formatter:
    if unit == "percentunit":
        return PercentFormatter(1)
    return EngFormatter(_UNITS[unit]) if unit in _UNITS else StrMethodFormatter("{x:,g}")


def _legend(template: str, labels: Mapping[str, str]) -> str:
    return Template(template.replace("{{", "${").replace("}}", "}")).safe_substitute(labels)
