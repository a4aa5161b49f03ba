"""Write ops/grafana/dashboards/*.json from panels.py, by Grafana's own builder.

    python ops/grafana/generate.py [--check]

With --check nothing is written; the exit status says whether something would have to be.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

sys.path.insert(0, str(Path(__file__).parent))
from panels import BOARDS, Board, Panel

FOLDER = Path(__file__).parent / "dashboards"
_SOURCE = DataSourceRef(type_val="prometheus", uid="songlens")


def encoded(board: Board) -> str:
    """Return a dashboard as Grafana reads it."""
    dashboard = (
        Dashboard(board.title).uid(board.uid).tags(["songlens"]).refresh("10s").time("now-30m", "now").editable()
    )
    for title, panels in board.rows:
        dashboard.with_row(Row(title))
        for panel in panels:
            dashboard.with_panel(_drawn(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(dashboard.build()) + "\n"


def _drawn(panel: Panel) -> TimeSeries:
    drawn = TimeSeries().title(panel.title).unit(panel.unit).min(0).span(8).height(7).datasource(_SOURCE)
    for letter, (expression, legend) in zip("ABCDEF", panel.queries, strict=False):
        drawn.with_target(Dataquery().expr(expression).legend_format(legend).ref_id(letter))
    return drawn


def main() -> None:
    """Write what has changed, or say so."""
    stale = False
    for board in BOARDS:
        path, text = FOLDER / f"{board.uid}.json", encoded(board)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale = True
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit("ops/grafana/dashboards is not what ops/grafana/panels.py says; run `make docs`.")


if __name__ == "__main__":
    main()
