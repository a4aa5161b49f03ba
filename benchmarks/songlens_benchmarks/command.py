"""`songlens bench`: measure this machine, write the results down, and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens_benchmarks import results
from songlens_benchmarks.catalogue import BENCHMARKS
from songlens_benchmarks.compare import changes
from songlens_benchmarks.row import Effort, Row
from songlens_benchmarks.runner import BenchmarkFailed, rows
from songlens_benchmarks.table import COLUMNS, cells, figure, markdown
from songlens_shared.errors import ConfigError

_LEAST_WIDTH = 130
"""Of a table: narrower, every cell would be a column of syllables."""

command = typer.Typer(help="Measure how fast Songlens is on this machine.", no_args_is_help=True)


@command.command("run")
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks to run; all of them by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="File that the results are added to, one JSON line each.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns that medians are taken of.")] = Effort.rounds,
    quick: Annotated[bool, typer.Option("--quick", help="One round of smaller sizes, for a look.")] = False,
) -> None:
    """Run benchmarks one after the other, and print each figure with its limit, baseline and target."""
    chosen = names or list(BENCHMARKS)
    for name in chosen:
        if name not in BENCHMARKS:
            raise ConfigError(f"there is no benchmark {name!r}; `songlens bench list` shows them all.")
    effort, console = Effort(rounds=1 if quick else rounds, quick=quick), _console()
    failed = [name for name in chosen if not _run(name, effort, out, console)]
    if failed:
        raise BenchmarkFailed(f"not all benchmarks came to their end: {', '.join(failed)}.")


def _run(name: str, effort: Effort, out: Path | None, console: Console) -> bool:
    """Run one and show it; False where it did not come to its end."""
    console.print(f"[bold]{name}[/]: {escape(BENCHMARKS[name])}")
    found: list[Row] = []
    try:
        with console.status("measuring"):
            for row in rows(name, effort):
                found.append(row)
                if out is not None:
                    results.append(out, name, row)
    except BenchmarkFailed as error:
        console.print(f"[red]{escape(error.message)}[/]")
        return False
    finally:
        if found:
            console.print(_table(found))
    return True


@command.command("list")
def list_all() -> None:
    """Show every benchmark."""
    for name, about in BENCHMARKS.items():
        typer.echo(f"{name:<12}{about}")


@command.command("report")
def report(file: Annotated[Path, typer.Argument(help="Results that `run --out` wrote.")]) -> None:
    """Print results as Markdown."""
    typer.echo(markdown(results.read(file)))


@command.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(help="Results of one run.")],
    after: Annotated[Path, typer.Argument(help="Results of another.")],
) -> None:
    """Print what two runs have in common, side by side: ratios to limit or baseline where a row has them."""
    old, new = results.read(before), results.read(after)
    table = Table(title=f"{' '.join(results.commits(old))} -> {' '.join(results.commits(new))}")
    for title in ("", "compared", "before", "after", "after / before"):
        table.add_column(title, justify="left" if title in ("", "compared") else "right")
    for change in changes(old, new):
        figures = (figure(change.before), figure(change.after), f"{change.ratio:.2f}")
        table.add_row(f"{change.benchmark}: {escape(change.what)}", change.compared, *figures)
    _console().print(table)


def _console() -> Console:
    return Console(width=max(Console().width, _LEAST_WIDTH))


def _table(found: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in COLUMNS:
        table.add_column(title, justify="right" if title == "measured" else "left")
    for row in found:
        *plain, verdict = map(escape, cells(row))
        colour = {"reached": "green", "missed": "red"}.get(verdict)
        table.add_row(escape(row.what), *plain, f"[{colour}]{verdict}[/]" if colour else verdict)
        if row.note:
            table.add_row(f"  [dim]{escape(row.note)}[/]")
    return table
