"""Link prediction: do the vectors know keywords of a song that training has not seen?

    python benchmarks/link_prediction.py FOLDER [--smore PATH] [--splits 3] [--seeds 2] ...

FOLDER is an open catalogue (`songlens data open`). Of every tenth song with two keywords or more, one edge to a keyword
is hidden; the rest is trained on. The hidden keyword is then ranked among all that the song does not bear, in two ways:

by images   by the mean Euclidean distance of the song to the images that bear the keyword: what retrieval compares
by context  by the song's vector times the keyword's context: what training itself says (equation 7)

AUC is the share of the other keywords that rank worse, MRR the mean of 1 / rank. Popular keywords are hidden more
often, so that popularity alone scores high in both; weighted AUC, in which each of the others counts by its songs, asks
for what songs tell beyond that: popularity alone has about .5. Splits hide other edges, seeds train
anew; given are means over all, and half of a 95 % interval of the difference to the default over the splits and seeds
(t distribution). `popularity` ranks by the number of songs alone: what needs no vectors at all.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding import WAYS, run
from paper_graph import write_foreign
from songlens_benchmarks import record
from songlens_training.catalogue.images import read_images
from songlens_training.catalogue.songs import read_songs
from songlens_training.catalogue.tables import RejectLog
from songlens_training.demonstration import OPEN_KEYWORDS
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import train_embedding
from songlens_training.graph.graph import Graph, VertexType, build_graph
from songlens_training.keywords.selection import find_keywords

HIDDEN_SHARE = 0.1
COMPARED = (
    "default",
    "start alone",
    "random start",
    "negatives from all",
    "sources by weight",
    "random start, negatives from all",
    "plain LINE",
    "SMORe preset",
    "SMORe preset, length 1",
    "HPE walks",
    "first order",
)
OWN_WAYS: Mapping[str, Mapping[str, Any]] = {**WAYS, "start alone": {"learning_rate": 0.0}}
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 8: 2.36, 9: 2.31, 10: 2.26, 12: 2.20, 15: 2.14, 20: 2.09}
"""Two-sided quantiles of Student's t by number of runs."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Split:
    """A graph without its hidden edges, and what to ask of it. Vertices are keywords, then songs, then images."""

    graph: Graph
    songs: NDArray[np.int64]
    """(H,) vertices whose edge is hidden."""
    keywords: NDArray[np.int64]
    """(H,) the other end of the hidden edge."""
    known: NDArray[np.bool_]
    """(H, K) keywords that training has seen of the song."""
    popularity: NDArray[np.float64]
    """(K,) songs of each keyword that training has seen."""
    image_keywords: NDArray[np.bool_]
    """(I, K)"""


def main() -> None:
    arguments = parsed()
    whole = catalogue_graph(arguments.catalogue)
    results: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        for split_number in range(arguments.splits):
            split = hide(whole, split_number)
            for name, figures in judged(arguments, split, Path(folder)):
                results.setdefault(name, []).append(figures)
    report(arguments, results)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--smore", type=Path, help="SMORe's `line` program.")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--samples", type=int, help="The default of training where it is not given.")
    parser.add_argument("--ways", nargs="+", choices=COMPARED, default=COMPARED)
    return parser.parse_args()


def catalogue_graph(folder: Path) -> Graph:
    """Return the graph that `songlens demo --data open` trains on."""
    with tempfile.TemporaryDirectory() as scratch, RejectLog(Path(scratch) / "rejects.jsonl") as rejects:
        songs = list(read_songs(folder / "songs.jsonl", rejects))
        images = list(read_images(folder / "images.jsonl", rejects))
    return build_graph(find_keywords(songs, images, OPEN_KEYWORDS).graph_weights())


def hide(whole: Graph, seed: int) -> Split:
    """Hide one edge of every tenth song that has two or more."""
    random = np.random.default_rng([2018, seed])
    types = whole.vertex_types
    keywords, images = (int((types == kind).sum()) for kind in (VertexType.KEYWORD, VertexType.IMAGE))
    of_songs = np.flatnonzero(types[whole.sources] == VertexType.SONG)  # build_graph puts keywords at the other end
    counts = np.bincount(whole.sources[of_songs], minlength=len(types))
    able = np.flatnonzero(counts >= 2)
    chosen = random.choice(able, int(HIDDEN_SHARE * len(able)), replace=False)
    shuffled = random.permutation(of_songs)
    first = dict(zip(whole.sources[shuffled].tolist(), shuffled.tolist(), strict=True))
    hidden = np.array([first[song] for song in chosen.tolist()])
    kept = np.setdiff1d(np.arange(len(whole.weights)), hidden)
    graph = replace(whole, sources=whole.sources[kept], targets=whole.targets[kept], weights=whole.weights[kept])
    bears = np.zeros((len(types), keywords), np.bool_)
    bears[graph.sources, graph.targets] = True
    songs = whole.sources[hidden].astype(np.int64)
    return Split(
        graph=graph,
        songs=songs,
        keywords=whole.targets[hidden].astype(np.int64),
        known=bears[songs],
        popularity=bears[keywords : len(types) - images].sum(axis=0).astype(np.float64),
        image_keywords=bears[len(types) - images :],
    )


def judged(arguments: argparse.Namespace, split: Split, folder: Path) -> Iterator[tuple[str, Figures]]:
    """Yield each system with its figures, once for each seed."""
    scores = np.broadcast_to(split.popularity, split.known.shape)
    yield "popularity", {f"{name} by images": value for name, value in ranked(split, scores).items()}
    for way in arguments.ways:
        for seed in range(1, arguments.seeds + 1):
            options = EmbeddingOptions(
                dimensions=arguments.dimensions,
                threads=arguments.threads,
                samples=arguments.samples,
                seed=seed,
                **OWN_WAYS[way],
            )
            started_s = time.perf_counter()
            embedding = train_embedding(split.graph, options)
            seconds = time.perf_counter() - started_s
            contexts = embedding.contexts[: split.known.shape[1]]
            by_context = ranked(split, embedding.vectors[split.songs] @ contexts.T)
            figures = {f"{name} by images": value for name, value in by_images(split, embedding.vectors).items()}
            yield way, {**figures, **{f"{name} by context": v for name, v in by_context.items()}, "seconds": seconds}
    if arguments.smore:
        yield "SMORe", smore(arguments, split, folder)


def smore(arguments: argparse.Namespace, split: Split, folder: Path) -> Figures:
    """Train SMORe's own program on as many samples, to the million above; its random numbers have no seed."""
    write_foreign(split.graph, folder / "net.txt")
    samples = arguments.samples or max(1_000_000, 20 * len(split.graph.weights))
    flags = {"-train": folder / "net.txt", "-save": folder / "vec.txt", "-dimensions": arguments.dimensions}
    flags |= {"-sample_times": math.ceil(samples / 1e6), "-threads": arguments.threads, "-order": 2, "-undirected": 1}
    ran = run([str(arguments.smore), *(str(part) for pair in flags.items() for part in pair)])
    rows = {vertex.key: row for row, vertex in enumerate(split.graph.vertices)}
    vectors = np.zeros((len(rows), arguments.dimensions), np.float32)
    with (folder / "vec.txt").open(encoding="utf-8") as file:
        next(file)
        for line in file:
            name, _, numbers = line.partition(" ")
            vectors[rows[name]] = np.array(numbers.split(), np.float32)
    return {f"{name} by images": value for name, value in by_images(split, vectors).items()} | {"seconds": ran.seconds}


def by_images(split: Split, vectors: NDArray[np.float32]) -> Figures:
    """Rank keywords by the mean distance of the song to the images that bear them."""
    images = vectors[len(vectors) - len(split.image_keywords) :].astype(np.float64)
    songs = vectors[split.songs].astype(np.float64)
    squares = (songs**2).sum(axis=1)[:, None] + (images**2).sum(axis=1) - 2 * songs @ images.T  # (H, I)
    distances = np.sqrt(np.maximum(squares, 0))
    bearing = np.maximum(split.image_keywords.sum(axis=0), 1)
    return ranked(split, -(distances @ split.image_keywords) / bearing)


def ranked(split: Split, scores: NDArray[np.float64]) -> Figures:
    """Return AUC and MRR of scores (H, K), the higher the likelier; equal scores share their ranks."""
    rows = np.arange(len(split.songs))
    own = scores[rows, split.keywords][:, None]
    others = ~split.known
    others[rows, split.keywords] = False
    better, equal = ((scores > own) & others).sum(axis=1), ((scores == own) & others).sum(axis=1)
    auc = 1 - (better + equal / 2) / others.sum(axis=1)
    weights = others * split.popularity
    beaten = (weights * (scores > own)).sum(axis=1) + (weights * (scores == own)).sum(axis=1) / 2
    weighted = 1 - beaten / weights.sum(axis=1)
    mrr = 1 / (1 + better + equal / 2)
    return {"auc": float(auc.mean()), "weighted auc": float(weighted.mean()), "mrr": float(mrr.mean())}


def report(arguments: argparse.Namespace, results: Mapping[str, list[Figures]]) -> None:
    ways = [f"{figure} by {judge}" for judge in ("images", "context") for figure in ("weighted auc", "auc", "mrr")]
    names = (*ways, "seconds")
    print(f"{'':<34}" + "".join(f"{name:>25}" for name in names))
    for system, runs in results.items():
        means = {name: statistics.fmean(run[name] for run in runs) for name in names if name in runs[0]}
        halves = {name: half_interval(runs, results.get("default", []), name) for name in means if name != "seconds"}
        cells = [
            f"{means[name]:.3f}" + (f" ± {halves[name]:.3f}" if halves.get(name) else "") if name in means else ""
            for name in names
        ]
        print(f"{system:<34}" + "".join(f"{cell:>25}" for cell in cells))
        shape = {"dimensions": arguments.dimensions, "threads": arguments.threads, "runs": len(runs)}
        figures = {name.replace(" ", "_"): round(value, 4) for name, value in means.items()}
        intervals = {
            f"{name.replace(' ', '_')}_difference_95": half and round(half, 4) for name, half in halves.items()
        }
        record.write("link_prediction", {"system": system, **shape, **figures, **intervals})


def half_interval(runs: list[Figures], default: list[Figures], name: str) -> float | None:
    """Return half of the 95 % interval of the difference to the default; None where runs cannot be paired."""
    if runs is default or len(runs) != len(default) or len(runs) not in T_95:
        return None
    differences = [run[name] - base[name] for run, base in zip(runs, default, strict=True)]
    return T_95[len(runs)] * statistics.stdev(differences) / math.sqrt(len(runs))


if __name__ == "__main__":
    main()
