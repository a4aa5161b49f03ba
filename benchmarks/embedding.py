"""Network embedding at the paper's size: speed, convergence and memory, against the tools it learns from.

    python benchmarks/embedding.py speed|convergence|tables [--smore PATH] [--line PATH] [--threads 2] ...

`--smore` is the `line` program of SMORe, `--line` that of LINE's authors; both are built as their pages say, with
-O3 -march=native. All systems train the same graph on as many threads, in turns; medians are given.

speed        edge samples a second. Ours are timed from graph to vectors, tables and start included. Of the others only
             training counts: the time that 8 million more samples take in whole runs, so that reading and writing text
             drop out. Peak memory is that of the whole process, ours being `songlens embed` on the same edge list.
convergence  precision@10 (of the 10 songs nearest to an image by Euclidean distance, the share that bears its keyword;
             2,000 images) after so many samples, and the seconds to there, for each way to draw and to start.
tables       reading a graph of ten million edges, its alias tables: seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paper_graph import IMAGES, KEYWORDS, SONGS, PaperGraph, paper_graph, write_both_directions, write_foreign
from songlens_benchmarks import record
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.sampling import BALANCED, HPE, LINE, SMORE
from songlens_training.embedding.train import train_embedding

MILLION = 1_000_000
SPEED_SAMPLES = 10 * MILLION
FEWER_SAMPLES = 2 * MILLION
TARGET_RATIO = 3.0
EVALUATED_IMAGES = 2000
TABLE_EDGES, TABLE_VERTICES = 10 * MILLION, MILLION
TARGET_TABLE_S, TARGET_TABLE_BYTES = 20.0, 2e9

WAYS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "sources by weight": {"sampling": replace(BALANCED, source_power=1.0)},
    "negatives from all": {"sampling": replace(BALANCED, noise="all")},
    "random start": {"start": "random"},
    "random start, negatives from all": {"start": "random", "sampling": replace(BALANCED, noise="all")},
    "first order": {"order": 1},
    "plain LINE": {"start": "random", "sampling": LINE, "normalise": False},
    "plain LINE, length 1": {"start": "random", "sampling": LINE},
    "SMORe preset": {"start": "random", "sampling": SMORE, "normalise": False},
    "SMORe preset, length 1": {"start": "random", "sampling": SMORE},
    "HPE walks": {"start": "random", "sampling": HPE, "normalise": False},
}
SPEED_WAYS = ("default", "plain LINE", "SMORe preset")


@dataclass(frozen=True)
class Ran:
    """A process that came to its end."""

    seconds: float
    peak_bytes: int
    output: str


def main() -> None:
    arguments = parsed()
    if arguments.what == "tables-child":
        tables_child(Path(arguments.edges))
        return
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        work = {"speed": speed, "convergence": convergence, "tables": tables}[arguments.what]
        work(arguments, Path(folder))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "convergence", "tables", "tables-child"))
    parser.add_argument("edges", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--smore", type=Path, help="SMORe's `line` program.")
    parser.add_argument("--line", type=Path, help="The `line` program of LINE's authors.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 3, 5, 10, 30], help="Samples for convergence.")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="For convergence.")
    return parser.parse_args()


def run(command: list[str]) -> Ran:
    """Run a program and return its time and the most memory it held."""
    started_s, peak_bytes = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak_bytes = peak_bytes_of(process.pid) or peak_bytes
            time.sleep(0.01)
        seconds = time.perf_counter() - started_s
        output.seek(0)
        said = output.read()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}:\n{said[-2000:]}")
    return Ran(seconds, peak_bytes, said)


def peak_bytes_of(process: int | str) -> int:
    """Return the most memory that a process has held so far; what `wait` tells would count its parent's too."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return 0


@dataclass(frozen=True)
class Foreign:
    """A C++ program that trains on an edge list."""

    name: str
    program: Path
    edges: Path
    arguments: argparse.Namespace

    def train(self, millions: int, out: Path) -> Ran:
        """Train with second order, 5 negatives and a rate of 0.025, as both programs do unless told otherwise."""
        common = {"-threads": self.arguments.threads}
        smore = {"-save": out, "-dimensions": self.arguments.dimensions, "-sample_times": millions, "-order": 2}
        line = {"-output": out, "-size": self.arguments.dimensions, "-samples": millions, "-order": 2}
        own = smore | {"-undirected": 1} if self.name == "SMORe" else line
        flags = [str(part) for pair in (common | own).items() for part in pair]
        return run([str(self.program), "-train", str(self.edges), *flags])


def foreign(arguments: argparse.Namespace, paper: PaperGraph, folder: Path) -> Iterator[Foreign]:
    if arguments.smore:
        write_foreign(paper.graph, folder / "net.txt")
        yield Foreign("SMORe", arguments.smore, folder / "net.txt", arguments)
    if arguments.line:
        write_both_directions(paper.graph, folder / "both.txt")
        yield Foreign("LINE", arguments.line, folder / "both.txt", arguments)


def options(arguments: argparse.Namespace, way: str, samples: int) -> EmbeddingOptions:
    return EmbeddingOptions(dimensions=arguments.dimensions, threads=arguments.threads, samples=samples, **WAYS[way])


def speed(arguments: argparse.Namespace, folder: Path) -> None:
    paper = paper_graph()
    write_foreign(paper.graph, folder / "net.txt")
    train_embedding(paper.graph, options(arguments, "default", 1000))  # compiled code is loaded

    def ours(way: str) -> float:
        started_s = time.perf_counter()
        train_embedding(paper.graph, options(arguments, way, SPEED_SAMPLES))
        return SPEED_SAMPLES / (time.perf_counter() - started_s)

    def theirs(system: Foreign) -> float:
        few, many = (system.train(samples // MILLION, folder / "vec.txt") for samples in (FEWER_SAMPLES, SPEED_SAMPLES))
        return (SPEED_SAMPLES - FEWER_SAMPLES) / (many.seconds - few.seconds)

    systems: dict[str, Callable[[], float]] = {way: lambda way=way: ours(way) for way in SPEED_WAYS}
    others = list(foreign(arguments, paper, folder))
    systems |= {other.name: lambda other=other: theirs(other) for other in others}
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(arguments.rounds):
        for name, rate in systems.items():
            rates[name].append(rate())
    peaks = {other.name: other.train(1, folder / "vec.txt").peak_bytes for other in others}
    peaks["default"] = embed_peak(arguments, folder)
    report_speed(arguments, {name: statistics.median(values) for name, values in rates.items()}, rates, peaks)


def embed_peak(arguments: argparse.Namespace, folder: Path) -> int:
    shape = ["--dimensions", str(arguments.dimensions), "--threads", str(arguments.threads), "--samples", str(MILLION)]
    embed = [sys.executable, "-m", "songlens", "embed", str(folder / "net.txt"), "--out", str(folder / "ne")]
    return run([*embed, *shape]).peak_bytes


def report_speed(
    arguments: argparse.Namespace,
    medians: Mapping[str, float],
    rates: Mapping[str, list[float]],
    peaks: Mapping[str, int],
) -> None:
    baseline = medians.get("SMORe")
    print(f"{'':<14}{'samples/s':>12}{'to SMORe':>10}{'peak MB':>10}   of each round")
    for name, median in medians.items():
        ratio = median / baseline if baseline else None
        peak = peaks.get(name)
        rounds = " ".join(f"{rate / 1e6:.2f}" for rate in rates[name])
        told = f"{ratio:.2f}" if ratio else ""
        print(f"{name:<14}{median:>12,.0f}{told:>10}{f'{peak / 1e6:.0f}' if peak else '':>10}   {rounds} M")
        figures = {"samples_per_s": round(median), "ratio_to_smore": ratio, "peak_mb": peak and round(peak / 1e6, 1)}
        shape = {"dimensions": arguments.dimensions, "threads": arguments.threads, "samples": SPEED_SAMPLES}
        record.write("embedding", {"part": "speed", "system": name, **shape, **figures})
    print(f"to reach: {TARGET_RATIO:g} times SMORe. Limit: memory latency, {bytes_a_sample(arguments):,} B a sample")


def bytes_a_sample(arguments: argparse.Namespace) -> int:
    """Return what a sample reads and writes: one vector and six contexts, each once in either direction."""
    return 2 * 7 * arguments.dimensions * 4


def convergence(arguments: argparse.Namespace, folder: Path) -> None:
    paper = paper_graph()
    train_embedding(paper.graph, options(arguments, "default", 1000))
    print(f"{'':<34}{'samples':>10}{'seconds':>9}{'precision@10':>14}")
    for way in arguments.ways:
        for millions in arguments.millions:
            started_s = time.perf_counter()
            vectors = train_embedding(paper.graph, options(arguments, way, millions * MILLION)).vectors
            report_point(arguments, way, millions, time.perf_counter() - started_s, precision(paper, vectors))
    for other in foreign(arguments, paper, folder):
        for millions in arguments.millions:
            ran = other.train(millions, folder / "vec.txt")
            vectors = read_vectors(folder / "vec.txt", paper)
            report_point(arguments, other.name, millions, ran.seconds, precision(paper, vectors))
    print("seconds: ours from graph to vectors; of SMORe and LINE the whole process, reading and writing included")


def report_point(arguments: argparse.Namespace, way: str, millions: int, seconds: float, found: float) -> None:
    print(f"{way:<34}{millions:>8} M{seconds:>9.2f}{found:>14.4f}", flush=True)
    shape = {"dimensions": arguments.dimensions, "threads": arguments.threads, "samples": millions * MILLION}
    figures = {"seconds": round(seconds, 3), "precision_at_10": round(found, 4)}
    record.write("embedding", {"part": "convergence", "system": way, **shape, **figures})


def precision(paper: PaperGraph, vectors: NDArray[np.float32]) -> float:
    """Return precision@10 of vectors (V, D) in the graph's order, over evenly spread images."""
    songs, images = vectors[KEYWORDS : KEYWORDS + SONGS], vectors[KEYWORDS + SONGS :]
    asked = np.linspace(0, IMAGES - 1, EVALUATED_IMAGES).astype(int)
    squares = (songs.astype(np.float64) ** 2).sum(axis=1)
    hits = []
    for rows in np.array_split(asked, 20):
        distances = squares - 2 * images[rows].astype(np.float64) @ songs.T  # (R, S), up to the images' own lengths
        nearest = np.argpartition(distances, 10, axis=1)[:, :10]
        hits.append((paper.songs[nearest] & paper.images[rows][:, None]).any(axis=2))
    return float(np.concatenate(hits).mean())


def read_vectors(path: Path, paper: PaperGraph) -> NDArray[np.float32]:
    """Return the vectors (V, D) of a word2vec text file, in the graph's order."""
    rows = {vertex.key: row for row, vertex in enumerate(paper.graph.vertices)}
    with path.open(encoding="utf-8") as file:
        count, dimensions = map(int, file.readline().split())
        vectors = np.zeros((len(rows), dimensions), np.float32)
        for line in file:
            name, _, numbers = line.partition(" ")
            vectors[rows[name]] = np.array(numbers.split(), np.float32)
    assert count == len(rows)
    return vectors


def tables(arguments: argparse.Namespace, folder: Path) -> None:
    """Each kind of file is read in a process of its own, which says what it took."""
    for kind, write in (("edges.txt", write_text_edges), ("edges.parquet", write_parquet_edges)):
        write(folder / kind)
        figures = json.loads(run([sys.executable, __file__, "tables-child", str(folder / kind)]).output)
        told = {name: round(value, 2) for name, value in figures.items()}
        print(f"{kind}: {told}")
        record.write("embedding", {"part": "tables", "file": kind, "edges": TABLE_EDGES, **told})
    print(f"to reach: all under {TARGET_TABLE_S:g} s and {TARGET_TABLE_BYTES / 1e9:g} GB")


def table_ends() -> NDArray[np.int64]:
    """Return ten million edges (E, 2) between songs and keywords of uneven popularity."""
    random = np.random.default_rng(1)
    keywords = (random.random(TABLE_EDGES) ** 4 * (TABLE_VERTICES // 10)).astype(np.int64)
    return np.stack([random.integers(0, TABLE_VERTICES * 9 // 10, TABLE_EDGES), keywords], axis=1)


def write_text_edges(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"song:{song} keyword:{keyword} 1.5\n" for song, keyword in table_ends().tolist())


def write_parquet_edges(path: Path) -> None:
    import pyarrow as pa
    from pyarrow import compute, parquet

    ends = table_ends()
    columns = {
        name: compute.binary_join_element_wise(prefix, pa.array(ends[:, column]).cast(pa.string()), "")
        for column, (name, prefix) in enumerate((("source", "song:"), ("target", "keyword:")))
    }
    weights = pa.array(np.full(TABLE_EDGES, 1.5, np.float32))
    parquet.write_table(pa.table({**columns, "weight": weights}), path)


def tables_child(path: Path) -> None:
    """Read a graph and draw up its tables; print the seconds of each, and the peak memory of this process."""
    from songlens_training.embedding.tables import edge_tables, noise_tables
    from songlens_training.graph.adjacency import adjacency
    from songlens_training.graph.names import PREFIXES
    from songlens_training.graph.reading import read_graph

    laps = [time.perf_counter()]
    graph, _ = read_graph(path, PREFIXES)
    laps.append(time.perf_counter())
    neighbourhood, degrees = adjacency(graph), graph.degrees()
    laps.append(time.perf_counter())
    edge_tables(neighbourhood, degrees, BALANCED)
    noise_tables(graph.vertex_types, degrees, "typed")
    laps.append(time.perf_counter())
    steps = dict(zip(("read_s", "neighbours_s", "tables_s"), np.diff(laps).tolist(), strict=True))
    print(json.dumps({**steps, "all_s": laps[-1] - laps[0], "peak_mb": peak_bytes_of("self") / 1e6}))


if __name__ == "__main__":
    main()
