"""New songs and images at the paper's size: added and published without training, against building anew.

    python benchmarks/additions.py [--songs 1000] [--images 100] [--rounds 3] [--weights FILE]

Starts from what `make paper` leaves in SONGLENS_HOME: its generated catalogue, the newest model version of it, and the
kept features, so that building anew extracts nothing either. Every path is a whole command, from start to the
version being live on a server of its own; in turns.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from songlens_benchmarks import record
from songlens_shared.address import home
from songlens_training.generated.lyrics import song as generated_song
from songlens_training.generated.picture import Picture, paint
from songlens_training.generated.themes import THEMES
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore
from steps import Measured, measure

SEED = 7
TARGET_S = 10.0
"""`In seconds`, as a person means it."""


def main() -> None:
    arguments = parsed()
    paper = home() / "paper" / "generated"
    versions = ModelStore(str(paper / "models")).versions() if (paper / "models").is_dir() else []
    if not versions:
        sys.exit(f"There is no model version in {paper / 'models'}; run `make paper` first.")
    about = json.loads((paper / "catalogue" / "catalogue.json").read_text(encoding="utf-8"))
    took: dict[str, list[Measured]] = {"add songs": [], "add images": [], "build anew": []}
    with tempfile.TemporaryDirectory(prefix="songlens-") as name, EmbeddedBroker(Path(name, "broker")) as broker:
        folder = Path(name)
        songs = new_songs(folder, about["songs"], arguments.songs)
        for round_ in range(arguments.rounds):
            models = folder / f"models-{round_}"
            shutil.copytree(paper / "models" / versions[-1], models / versions[-1])
            images = new_images(folder / f"images-{round_}", SEED + 1 + round_, arguments.images)
            paths = {
                "add songs": [["model", "add-songs", str(songs), *base(versions[-1]), "--publish"]],
                "add images": [
                    ["model", "add-images", str(images), *base(versions[-1]), *weights(arguments), "--publish"]
                ],
                "build anew": [build(paper / "catalogue", models, versions[-1], arguments), ["model", "publish"]],
            }
            for path, commands in paths.items():
                took[path].append(run(commands, models, broker.url))
            shutil.rmtree(models)
    report(took, about, arguments)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=1000)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", type=Path, help="local file of the backbone's weights, where it needs one")
    return parser.parse_args()


def new_songs(folder: Path, known: int, count: int) -> Path:
    """Write songs that the catalogue does not have: those that a larger one would."""
    path = folder / "songs.jsonl"
    rows = (generated_song(SEED, number, number + 1, len(THEMES)) for number in range(known, known + count))
    fields = ({name: value for name, value in asdict(row).items() if name != "themes"} for row in rows)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in fields), encoding="utf-8")
    return path


def new_images(folder: Path, seed: int, count: int) -> Path:
    """Paint images of another seed, whose features are kept nowhere yet."""
    pictures = [Picture(seed=seed, kind="images", theme=n % len(THEMES), number=n) for n in range(count)]
    for picture in pictures:
        (folder / picture.path).parent.mkdir(parents=True, exist_ok=True)
        paint(folder, picture)
    rows = ({"path": str(folder / p.path), "keywords": [THEMES[p.theme].keyword]} for p in pictures)
    manifest = folder / "images.jsonl"
    manifest.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return manifest


def base(version: str) -> list[str]:
    return ["--base", version]


def weights(arguments: argparse.Namespace) -> list[str]:
    return ["--weights", str(arguments.weights)] if arguments.weights else []


def build(catalogue: Path, models: Path, version: str, arguments: argparse.Namespace) -> list[str]:
    backbone = ModelStore(str(models)).manifest(version).backbone.name
    data = ["--songs", str(catalogue / "songs.jsonl"), "--images", str(catalogue / "images.jsonl")]
    return ["model", "build", *data, "--backbone", backbone, *weights(arguments), "--force"]


def run(commands: list[list[str]], models: Path, url: str) -> Measured:
    """Run the commands of one path, one after another."""
    environment = {"SONGLENS_REDIS_URL": url}
    parts = [
        measure([sys.executable, "-m", "songlens", *command, "--models", str(models)], environment)
        for command in commands
    ]
    return Measured(
        seconds=sum(part.seconds for part in parts),
        cpu_seconds=sum(part.cpu_seconds for part in parts),
        peak_mb=max(part.peak_mb for part in parts),
    )


def report(took: dict[str, list[Measured]], about: dict[str, int], arguments: argparse.Namespace) -> None:
    print(f"\n{about['songs']} songs, {about['images']} images; medians of {arguments.rounds}")
    print(f"{'':<12}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'of building':>13}")
    medians = {path: statistics.median(own.seconds for own in parts) for path, parts in took.items()}
    for path, parts in took.items():
        cpu, peak = (statistics.median(getattr(own, name) for own in parts) for name in ("cpu_seconds", "peak_mb"))
        ratio = medians[path] / medians["build anew"]
        print(f"{path:<12}{medians[path]:>9.1f}{cpu:>8.1f}{peak:>9.0f}{ratio:>13.2f}")
        figures = {"seconds": round(medians[path], 2), "cpu_seconds": round(cpu, 2), "peak_mb": peak, "ratio": ratio}
        shape = {"songs_added": arguments.songs, "images_added": arguments.images}
        record.write("additions", {"path": path, **shape, **figures})
    print(f"to reach: added and live within {TARGET_S:g} s. Limit: every file of a version is read, hashed and written")


if __name__ == "__main__":
    main()
