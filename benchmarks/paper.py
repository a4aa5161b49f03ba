"""The paper's sizes, end to end: every step measured, and Table 1 beside the paper's.

    make paper [WEIGHTS=FILE] [CONCEPTNET=FILE]

Generated catalogue: 62,316 songs, 72 keywords, 33,459 images, 720 photos that are not among them; a tenth of the images
bears another theme's keyword, as images found by searching do, for without that every system that looks at the photo is
always right. Open data at its full size: a tenth of its images is held out as photos. Features are kept as they are
computed, so a run that was broken off goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from songlens_benchmarks import record
from songlens_shared.address import home
from songlens_training.demonstration import OPEN_KEYWORDS, pretrained_backbone
from songlens_training.evaluate.metrics import HIT, PRECISION
from songlens_training.evaluate.report import METRIC_NAMES, PAPER, SYSTEM_NAMES
from songlens_training.progress import silent
from steps import Measured, measure

TABLE_WIDTH = 120
"""Characters, for a log as for a screen."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One measured command of the command line."""

    catalogue: str
    name: str
    arguments: Sequence[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogue", choices=("generated", "open", "both"), default="both")
    parser.add_argument("--songs", type=int, default=62_316)
    parser.add_argument("--images", type=int, default=33_459)
    parser.add_argument("--mislabelled", type=float, default=0.1, help="share of the generated images")
    parser.add_argument("--weights", type=Path, help="local file of VGG-19's weights")
    parser.add_argument("--conceptnet", type=Path, help="conceptnet-assertions-5.7.0.csv.gz; else word vectors")
    arguments = parser.parse_args()
    folder = home() / "paper"
    backbone = chosen_backbone(arguments.weights)
    sources = ["vectors", "cilin", *([f"conceptnet={arguments.conceptnet}"] if arguments.conceptnet else [])]
    judged = [part for source in sources for part in ("--similar", source)]
    steps = {
        "generated": generated_steps(folder / "generated", arguments, backbone, judged),
        "open": open_steps(folder / "open", backbone, judged),
    }
    wanted = list(steps) if arguments.catalogue == "both" else [arguments.catalogue]
    took = [(step, run(step)) for catalogue in wanted for step in steps[catalogue]]
    show_steps(took)
    for metric in (PRECISION, HIT):
        show_table_1(metric, {catalogue: folder / catalogue / "evaluation" / "evaluation.json" for catalogue in wanted})


def chosen_backbone(weights: Path | None) -> list[str]:
    """Return the options of the best backbone whose weights can be had, and say which it is."""
    backbone, why_not_vgg19 = pretrained_backbone(weights, silent)
    if why_not_vgg19 is not None:
        print(f"{why_not_vgg19}\nGoing on with EfficientNet-Lite2 (1280-d), whose weights come with a package.")
    return ["--backbone", backbone.name, *(["--weights", str(weights)] if weights else [])]


def generated_steps(
    folder: Path, arguments: argparse.Namespace, backbone: Sequence[str], judged: Sequence[str]
) -> list[Step]:
    catalogue, models = folder / "catalogue", folder / "models"
    size = ["--themes", "72", "--songs", str(arguments.songs), "--images", str(arguments.images)]
    size += ["--queries-per-theme", "10", "--mislabelled", str(arguments.mislabelled)]
    data = ["--songs", str(catalogue / "songs.jsonl"), "--images", str(catalogue / "images.jsonl")]
    queries = ["--queries", str(catalogue / "queries.jsonl")]
    commands = {
        "generate": ["data", "generate", *size, "--out", str(catalogue)],
        "build": ["model", "build", *data, *backbone, "--models", str(models), "--force"],
        "evaluate": ["eval", *data, *queries, *backbone, *judged, "--out", str(folder / "evaluation")],
    }
    return [Step(catalogue="generated", name=name, arguments=arguments) for name, arguments in commands.items()]


def open_steps(folder: Path, backbone: Sequence[str], judged: Sequence[str]) -> list[Step]:
    catalogue, models = folder / "catalogue", folder / "models"
    data = ["--songs", str(catalogue / "songs.jsonl"), "--images", str(catalogue / "images.jsonl")]
    data += ["--keywords", str(OPEN_KEYWORDS.count), "--no-titles"]
    commands = {
        "fetch": ["data", "open", "--out", str(catalogue)],
        "build": ["model", "build", *data, *backbone, "--models", str(models), "--force"],
        "evaluate": ["eval", *data, "--hold-out", "0.1", *backbone, *judged, "--out", str(folder / "evaluation")],
    }
    return [Step(catalogue="open", name=name, arguments=arguments) for name, arguments in commands.items()]


def run(step: Step) -> Measured:
    print(f"\n== {step.catalogue}: {step.name}", flush=True)
    took = measure([sys.executable, "-m", "songlens", *step.arguments])
    record.write("paper", {"catalogue": step.catalogue, "step": step.name, **asdict(took)})
    return took


def show_steps(took: Sequence[tuple[Step, Measured]]) -> None:
    table = Table("catalogue", "step", title="Wall time and peak memory")
    for name in ("seconds", "CPU seconds", "peak MB"):
        table.add_column(name, justify="right")
    for step, measured in took:
        figures = (measured.seconds, measured.cpu_seconds, measured.peak_mb)
        table.add_row(step.catalogue, step.name, *(f"{figure:,.0f}" for figure in figures))
    Console(width=TABLE_WIDTH).print(table)


def show_table_1(metric: str, reports: Mapping[str, Path]) -> None:
    """Show a metric of every catalogue, system and number of similar words, and the paper's Table 1 below."""
    evaluations = {catalogue: json.loads(path.read_text(encoding="utf-8")) for catalogue, path in reports.items()}
    ns = sorted({score["n"] for evaluation in evaluations.values() for score in evaluation["scores"]})
    table = Table("catalogue", "similar words", "system", *(f"n = {n}" for n in ns), title=METRIC_NAMES[metric])
    for catalogue, evaluation in evaluations.items():
        scores = [score for score in evaluation["scores"] if score["metric"] == metric]
        for source, system in dict.fromkeys((score["source"], score["system"]) for score in scores):
            cells = {
                score["n"]: f"{score['value']:.3f} ±{(score['high'] - score['low']) / 2:.3f}"
                for score in scores
                if (score["source"], score["system"]) == (source, system)
            }
            table.add_row(catalogue, source, SYSTEM_NAMES[system], *(cells[n] for n in ns))
    for system, values in PAPER.items():
        table.add_row("paper", "ConceptNet", SYSTEM_NAMES[system], *(str(values.get(n, "")) for n in ns))
    Console(width=TABLE_WIDTH).print(table)


if __name__ == "__main__":
    main()
