"""`songlens embed`: network embedding of any graph, from an edge list or a table to vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens_shared.errors import ConfigError
from songlens_training.commands.options.embedding import EmbeddingFlags
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.progress import progress_bars
from songlens_training.graph.graph import Graph, VertexType
from songlens_training.graph.names import PREFIXES

if TYPE_CHECKING:
    from songlens_training.embedding.options import EmbeddingOptions
    from songlens_training.graph.statistics import GraphStatistics

Edges = Annotated[
    Path,
    typer.Argument(
        help="Edge list of `vertex vertex weight` lines, as LINE and SMORe have it; or a .parquet table with columns "
        "source, target, weight; or the folder of a model version."
    ),
]
Out = Annotated[Path, typer.Option(help="What the names of the files to write begin with.")]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="Type of the vertices whose names begin so, such as k=keyword; repeatable."),
]
TrainingDevice = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
CheckpointFile = Annotated[
    Path | None, typer.Option("--checkpoint", help="File that keeps how far training is; removed when all is written.")
]


@grouped
def command(
    edges: Edges,
    out: Out,
    embedding: EmbeddingFlags,
    types: Types = None,
    device: TrainingDevice = "auto",
    checkpoint: CheckpointFile = None,
    checkpoint_every: Annotated[float, typer.Option(help="Seconds between checkpoints.", min=0)] = 60.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    ignore_memory: Annotated[
        bool, typer.Option("--ignore-memory", help="Train even where memory seems too small.")
    ] = False,
) -> None:
    """Learn a vector for each vertex of a graph (LINE, SMORe's sampling, HPE's walks).

    Writes PREFIX.npy (vectors), PREFIX.contexts.npy, PREFIX.vertices.txt (a name a row) and PREFIX.txt (word2vec text).
    """
    from songlens_training.embedding.checkpoint import Checkpointing
    from songlens_training.embedding.files import write_files
    from songlens_training.embedding.train import reporting, train_embedding
    from songlens_training.graph.reading import read_graph
    from songlens_training.graph.statistics import graph_statistics

    console = Console()
    options = embedding.options(device)
    checkpointing = (
        None if checkpoint is None else Checkpointing(path=checkpoint, every_s=checkpoint_every, resume=resume)
    )
    if resume and checkpointing is None:
        raise ConfigError("--resume needs --checkpoint FILE to go on from.")
    if not out.parent.is_dir():
        raise ConfigError(f"The folder {out.parent}, to write into, does not exist.")
    with console.status("Reading the graph"):
        graph, name = read_graph(edges, _parsed_types(types))
    _show(console, graph_statistics(graph))
    _state_memory(console, graph, options, ignore=ignore_memory)
    with progress_bars(console) as progress:
        trained = train_embedding(graph, options, reporting(progress), checkpointing=checkpointing)
        written = write_files(trained, out, name, progress)
    if checkpoint is not None:
        checkpoint.unlink()
    console.print(f"Written: {', '.join(escape(str(path)) for path in written)}", highlight=False, soft_wrap=True)


def _parsed_types(types: list[str] | None) -> Mapping[str, VertexType]:
    """Return the types by prefix; without any, our own prefixes."""
    if not types:
        return PREFIXES
    return dict(_parsed_type(text) for text in types)


def _parsed_type(text: str) -> tuple[str, VertexType]:
    prefix, _, name = text.rpartition("=")
    if not prefix or name.upper() not in VertexType.__members__:
        known = ", ".join(kind.name.lower() for kind in VertexType)
        raise ConfigError(f"--type is PREFIX=TYPE, with one of {known}, not {text!r}.")
    return prefix, VertexType[name.upper()]


def _show(console: Console, figures: GraphStatistics) -> None:
    """Print what the graph looks like."""
    table = Table("vertices", "number", "edges: least", "median", "mean", "most", "no keyword")
    for kind, number in figures.vertices.items():
        spread = figures.edges_of_a_vertex[kind]
        loose = figures.without_keyword.get(kind)
        numbers = [f"{spread.min:.0f}", f"{spread.median:g}", f"{spread.mean:.1f}", f"{spread.max:.0f}"]
        table.add_row(kind, str(number), *numbers, "" if loose is None else str(loose))
    console.print(table)
    console.print(
        f"{figures.edges} edges; {figures.components} components, the largest of {figures.largest_component} vertices; "
        f"{figures.isolated} isolated vertices",
        highlight=False,
        soft_wrap=True,
    )


def _state_memory(console: Console, graph: Graph, options: EmbeddingOptions, *, ignore: bool) -> None:
    """Print what training takes and what is free; raise `ConfigError` for too little, unless that is ignored."""
    from songlens_training.embedding.memory import check_memory, memory_need
    from songlens_training.embedding.train import chosen_device
    from songlens_training.free_memory import free_memory_bytes

    need, free = memory_need(len(graph.vertices), len(graph.weights), options), free_memory_bytes()
    device = chosen_device(options.device, len(graph.weights))
    free_on_gpu = None if device == "cpu" else _free_on_gpu(device)
    parts = [
        f"Memory: graph {_gb(need.graph)}, tables {_gb(need.tables)}, vectors {_gb(need.vectors)}; at the peak "
        f"{_gb(need.training)} more than the graph",
        *([] if free is None else [f"{_gb(free)} free"]),
        *([] if free_on_gpu is None else [f"{_gb(need.on_gpu)} on {device}, {_gb(free_on_gpu)} free there"]),
        f"a checkpoint takes {_gb(need.checkpoint)} of disk",
    ]
    console.print("; ".join(parts), highlight=False, soft_wrap=True)
    if not ignore:
        check_memory(need, free, free_on_gpu)


def _free_on_gpu(device: str) -> int:
    import torch

    return torch.cuda.mem_get_info(device)[0]


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB"
