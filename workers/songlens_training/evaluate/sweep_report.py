"""What a sweep found, as JSON, Markdown and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from songlens_training.evaluate.evaluation import Cell
from songlens_training.evaluate.metrics import HIT, PRECISION
from songlens_training.evaluate.plots import SETTINGS, SHIFT, panels_of, save
from songlens_training.evaluate.report import (
    FORMAT,
    METRIC_NAMES,
    Table,
    markdown_table,
    write_json,
)
from songlens_training.evaluate.results import write_result
from songlens_training.evaluate.sweep import PARAMETERS, Parameter, Setting, Spread, Sweep, SweepPoint
from songlens_training.evaluate.systems import PROPOSED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARAMETER_NAMES: Mapping[Parameter, str] = {
    "dimensions": "NE dimensions",
    "samples": "edges sampled",
    "retrieval": "images x songs per image",
}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555")
_MARKERS = ("o", "s", "^", "D", "v")


def write_sweep(folder: Path, sweep: Sweep, about: Mapping[str, Any]) -> list[Path]:
    """Write sweep.json, sweep.md, and where something was varied sweep.png and sweep.svg; return their paths."""
    paths = [
        write_json(folder / "sweep.json", _json(sweep, about)),
        write_result(folder / "sweep.md", _markdown(sweep).encode()),
    ]
    return [*paths, *(_plot(sweep, folder) if len(sweep.points) > 1 else [])]


def _json(sweep: Sweep, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "about": about,
        "options": asdict(sweep.options),
        "points": [_point(point) for point in sweep.points],
    }


def _point(point: SweepPoint) -> dict[str, Any]:
    setting = point.setting
    return {
        "dimensions": setting.dimensions,
        "samples": setting.samples,
        "retrieval": asdict(setting.retrieval),
        "train_s": round(point.train_s, 3),
        "scores": [asdict(cell) | spread._asdict() for cell, spread in point.scores.items()],
    }


def _markdown(sweep: Sweep) -> str:
    seeds = ", ".join(map(str, sweep.options.seeds))
    parts = ["# Sweep of the proposed system", "", f"Mean over the seeds {seeds}; in brackets, least and greatest."]
    for source in sweep.sources:
        for metric in (PRECISION, HIT):
            parts += ["", f"## {METRIC_NAMES[metric]}, similar words: {source}", ""]
            parts += markdown_table(sweep_table(sweep, source, metric))
    return "\n".join([*parts, ""])


def sweep_table(sweep: Sweep, source: str, metric: str) -> Table:
    """Return the settings by n."""
    header = [*PARAMETER_NAMES.values(), *(f"n = {n}" for n in sweep.similar_words), "training, s"]
    rows = [
        [
            *_setting_cells(point.setting),
            *(_shown(point.scores[Cell(source, PROPOSED, n, metric)]) for n in sweep.similar_words),
            f"{point.train_s:.1f}",
        ]
        for point in sweep.points
    ]
    return header, rows


def _setting_cells(setting: Setting) -> list[str]:
    return [value_name(getattr(setting, parameter)) for parameter in PARAMETERS]


def value_name(value: object) -> str:
    """Return a parameter's value as it is written in tables; no number of samples means the automatic choice."""
    return "auto" if value is None else str(value)


def _shown(spread: Spread) -> str:
    return f"{spread.value:.3f} [{spread.low:.3f}, {spread.high:.3f}]"


def _plot(sweep: Sweep, folder: Path) -> list[Path]:
    """Draw precision@10 by each parameter that was varied, a row for each source and a line for each n."""
    from matplotlib import rc_context

    varied = [parameter for parameter in PARAMETERS if len(getattr(sweep.options, parameter)) > 1]
    with rc_context(SETTINGS):
        figure, panels = panels_of(len(sweep.sources), len(varied))
        for row, source in zip(panels, sweep.sources, strict=True):
            for axes, parameter in zip(row, varied, strict=True):
                _draw(axes, sweep, source, parameter)
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        return save(figure, folder / "sweep")


def _draw(axes: Axes, sweep: Sweep, source: str, parameter: Parameter) -> None:
    points = _in_order(sweep.along(parameter), parameter)
    for number, n in enumerate(sweep.similar_words):
        spreads = [point.scores[Cell(source, PROPOSED, n, PRECISION)] for point in points]
        values = [spread.value for spread in spreads]
        reach = [[s.value - s.low for s in spreads], [s.high - s.value for s in spreads]]
        look: dict[str, Any] = {"color": _COLOURS[number % len(_COLOURS)], "marker": _MARKERS[number % len(_MARKERS)]}
        places = [place + SHIFT * (number - (len(sweep.similar_words) - 1) / 2) for place in range(len(points))]
        axes.errorbar(places, values, yerr=reach, label=f"n = {n}", capsize=3, markersize=5, **look)
    names = [value_name(getattr(point.setting, parameter)) for point in points]
    axes.set_xticks(range(len(points)), names)
    axes.set_xlabel(f"{PARAMETER_NAMES[parameter]} ({source})")
    axes.set_ylabel(METRIC_NAMES[PRECISION])
    axes.set_ylim(0, 1.03)


def _in_order(points: Sequence[SweepPoint], parameter: Parameter) -> list[SweepPoint]:
    """Sort numbers; the automatic number of samples comes first, and images x songs by their images."""
    if parameter == "retrieval":
        return sorted(points, key=lambda point: point.setting.retrieval.images_k)
    return sorted(points, key=lambda point: getattr(point.setting, parameter) or 0)
