"""`songlens bench`: measure this machine, write the results down, and compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens_benchmarks import results
from songlens_benchmarks.capacity.lines import lines
from songlens_benchmarks.capacity.measured import Measured
from songlens_benchmarks.capacity.plan import Demand, plan
from songlens_benchmarks.catalogue import BENCHMARKS
from songlens_benchmarks.compare import changes
from songlens_benchmarks.record import SERVING
from songlens_benchmarks.report import page
from songlens_benchmarks.row import Effort, Row
from songlens_benchmarks.runner import BenchmarkFailed, rows
from songlens_benchmarks.table import COLUMNS, cells, figure
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
    found: dict[str, list[Row]] = {name: [] for name in chosen}
    failed = [name for name in chosen if not _run(name, effort, out, console, found[name])]
    _show_targets(found, console)
    if failed:
        raise BenchmarkFailed(f"not all benchmarks came to their end: {', '.join(failed)}.")


def _run(name: str, effort: Effort, out: Path | None, console: Console, found: list[Row]) -> bool:
    """Run one, add its rows to `found`, and show them; False where it did not come to its end."""
    console.print(f"[bold]{name}[/]: {escape(BENCHMARKS[name])}")
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


def _show_targets(found: Mapping[str, Sequence[Row]], console: Console) -> None:
    """What was aimed at, of several benchmarks, in one table."""
    aimed = [replace(row, what=f"{name}: {row.what}", note="") for name in found for row in found[name] if row.target]
    if len(found) > 1 and aimed:
        console.print(f"[bold]targets[/]: {sum(bool(row.met) for row in aimed)} of {len(aimed)} reached")
        console.print(_table(aimed))


@command.command("list")
def list_all() -> None:
    """Show every benchmark."""
    for name, about in BENCHMARKS.items():
        typer.echo(f"{name:<15}{about}")


@command.command("report")
def report(file: Annotated[Path, typer.Argument(help="Results that `run --out` wrote.")]) -> None:
    """Print results as Markdown: machine and commit, every target, then each benchmark."""
    typer.echo(page(results.read(file)), nl=False)


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


@command.command("capacity")
def capacity(
    images_per_s: Annotated[float, typer.Option(help="Photos that come in each second.")],
    photo_kb: Annotated[float, typer.Option(help="A photo in the queue; 0.3 where requests name it by uri.")] = 100.0,
    backlog_s: Annotated[float, typer.Option(help="How long the queue shall hold what comes in.")] = 60.0,
    users_share: Annotated[float, typer.Option(help="Share of requests that name a user.")] = 0.0,
    songs: Annotated[int, typer.Option(help="Songs of the catalogue.")] = Demand.songs,
    images: Annotated[int, typer.Option(help="Images of the catalogue.")] = Demand.images,
    utilisation: Annotated[float, typer.Option(help="How busy everything may be.")] = Demand.utilisation,
    vision: Annotated[str, typer.Option(help="Backbone and precision of the vision workers.")] = Demand.vision,
    vision_images_per_s: Annotated[
        float | None, typer.Option(help="Images a second of one vision worker, as you have measured it: with a GPU.")
    ] = None,
    result_files: Annotated[
        list[Path] | None, typer.Option("--results", help="Results that `run --out` wrote; by default our own.")
    ] = None,
) -> None:
    """Reckon what a rate of images needs, from measured figures: workers, Redis servers, memory, network, disk."""
    demand = Demand(
        images_per_s=images_per_s,
        photo_bytes=round(photo_kb * 1000),
        backlog_s=backlog_s,
        users_share=users_share,
        songs=songs,
        images=images,
        utilisation=utilisation,
        vision=vision,
        vision_images_per_s=vision_images_per_s,
    )
    files = result_files or [SERVING]
    for name, what in lines(plan(demand, Measured.of(results.read_all(files)))):
        typer.echo(f"{name:<21}{what}")


def _console() -> Console:
    return Console(width=max(Console().width, _LEAST_WIDTH))


def _table(found: Sequence[Row]) -> Table:
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
