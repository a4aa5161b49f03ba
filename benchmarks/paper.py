"""The paper's sizes, end to end: every step measured, and Table 1 beside the paper's.

    make paper [WEIGHTS=FILE] [CONCEPTNET=FILE]

Generated catalogue: 62,316 songs, 72 keywords, 33,459 images, 720 photos that are in none of them. Open data at its full
size: a tenth of its images is held out as photos. Features are kept as they are computed, so a run that was broken off
goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import record
from rich.console import Console
from rich.table import Table
from steps import Measured, measure

from songlens_shared.broker import home
from songlens_training.demonstration import pretrained_backbone
from songlens_training.progress import silent

SIMILAR_WORDS = (0, 5, 10, 50, 100)
PAPER = {
    "proposed": {5: 0.913, 10: 0.918, 50: 0.943, 100: 0.943},
    "km": {5: 0.902, 10: 0.917, 50: 0.941, 100: 0.943},
    "pop": {5: 0.124, 10: 0.157, 50: 0.356, 100: 0.378},
}
"""Hit rate@10 by number of similar words: Table 1 of the paper."""


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
    parser.add_argument("--weights", type=Path, help="local file of VGG-19's weights")
    parser.add_argument("--conceptnet", type=Path, help="conceptnet-assertions-5.7.0.csv.gz; else word vectors")
    arguments = parser.parse_args()
    folder = home() / "paper"
    backbone = chosen_backbone(arguments.weights)
    similar = f"conceptnet={arguments.conceptnet}" if arguments.conceptnet else "vectors"
    steps = {
        "generated": generated_steps(folder / "generated", arguments.songs, arguments.images, backbone, similar),
        "open": open_steps(folder / "open", backbone, similar),
    }
    wanted = list(steps) if arguments.catalogue == "both" else [arguments.catalogue]
    took = [(step, run(step)) for catalogue in wanted for step in steps[catalogue]]
    show_steps(took)
    for catalogue in wanted:
        show_table_1(catalogue, folder / catalogue / "evaluation" / "evaluation.json")


def chosen_backbone(weights: Path | None) -> list[str]:
    """Return the options of the best backbone whose weights can be had, and say which it is."""
    backbone, why_not_vgg19 = pretrained_backbone(weights, silent)
    if why_not_vgg19 is not None:
        print(f"{why_not_vgg19}\nGoing on with EfficientNet-Lite2 (1280-d), whose weights come with a package.")
    return ["--backbone", backbone.name, *(["--weights", str(weights)] if weights else [])]


def generated_steps(
    folder: Path, songs: int, images: int, backbone: Sequence[str], similar: str
) -> list[Step]:
    catalogue, models = folder / "catalogue", folder / "models"
    made = ["--themes", "72", "--songs", str(songs), "--images", str(images), "--queries-per-theme", "10"]
    data = ["--songs", str(catalogue / "songs.jsonl"), "--images", str(catalogue / "images.jsonl")]
    return [
        Step(catalogue="generated", name="generate", arguments=["data", "generate", *made, "--out", str(catalogue)]),
        Step(
            catalogue="generated",
            name="build",
            arguments=["model", "build", *data, "--models", str(models), "--force", *backbone],
        ),
        evaluation("generated", folder, [*data, "--queries", str(catalogue / "queries.jsonl")], backbone, similar),
    ]


def open_steps(folder: Path, backbone: Sequence[str], similar: str) -> list[Step]:
    catalogue, models = folder / "catalogue", folder / "models"
    data = ["--songs", str(catalogue / "songs.jsonl"), "--images", str(catalogue / "images.jsonl")]
    words = ["--keywords", "250", "--no-titles"]
    return [
        Step(catalogue="open", name="fetch", arguments=["data", "open", "--out", str(catalogue)]),
        Step(
            catalogue="open",
            name="build",
            arguments=["model", "build", *data, *words, "--models", str(models), "--force", *backbone],
        ),
        evaluation("open", folder, [*data, *words, "--hold-out", "0.1"], backbone, similar),
    ]


def evaluation(catalogue: str, folder: Path, data: Sequence[str], backbone: Sequence[str], similar: str) -> Step:
    arguments = [*data, *backbone, "--similar", similar, "--n", ",".join(map(str, SIMILAR_WORDS))]
    return Step(catalogue=catalogue, name="evaluate", arguments=["eval", *arguments, "--out", str(folder / "evaluation")])


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
    Console().print(table)


if __name__ == "__main__":
    main()
