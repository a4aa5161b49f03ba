"""A person's own songs and images: good rows make a model, bad rows are counted and named."""

from __future__ import annotations

import csv
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from .conftest import songlens

COLOURS = {"大海": (20, 60, 200), "森林": (20, 150, 30), "玫瑰": (210, 20, 60)}


def write_songs(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "title", "artist", "lyrics", "popularity"])
        for keyword in COLOURS:
            for number in range(6):
                rows.writerow([f"{keyword}-{number}", f"歌{number}", "某人", f"我看见{keyword}\n你在唱歌", number])
        rows.writerow(["大海-0", "again", "某人", "大海", 1])
        rows.writerow(["empty", "没有词", "某人", "", 1])
        rows.writerow(["negative", "负数", "某人", "大海", -5])


def write_images(folder: Path) -> None:
    for keyword, colour in COLOURS.items():
        (folder / keyword).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (64, 64 + number), colour).save(folder / keyword / f"{number}.png")
    (folder / "大海" / "broken.jpg").write_bytes(b"not an image")
    (folder / "大海" / "notes.txt").write_text("not an image either")


def test_bad_rows_are_counted_named_and_kept(tmp_path: Path) -> None:
    """CSV songs and a folder per keyword make a model; every bad row is counted by reason and kept with its line."""
    write_songs(tmp_path / "songs.csv")
    write_images(tmp_path / "images")
    built = songlens(
        "model", "build", "--songs", str(tmp_path / "songs.csv"), "--images", str(tmp_path / "images"),
        "--models", str(tmp_path / "models"), "--backbone", "tiny", "--samples", "20000",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    output = built.stdout.replace("\n", " ")
    assert "18 rows taken, 3 refused" in output
    assert re.search(r"18 songs, 9 images, 3\s+keywords", output)
    (rejects,) = (tmp_path / "models").glob("*.rejects.jsonl")
    rows = [json.loads(line) for line in rejects.read_text(encoding="utf-8").splitlines()]
    reasons = {(row["line"], row["reason"]) for row in rows if row["source"].endswith("songs.csv")}
    # Lyrics of two lines: each of the 18 good rows takes two lines of the file.
    assert reasons == {(38, "duplicate id"), (39, "missing lyrics"), (40, "popularity is not a number >= 0")}
    image_reasons = {row["reason"] for row in rows if row["source"].endswith("images")}
    assert "not an image file" in image_reasons
    assert any("not a photo" in reason for reason in image_reasons)


def test_keyword_options_shape_a_build_and_its_report(tmp_path: Path) -> None:
    """Lists given to the build decide its keywords; its report has counts, examples and near misses, and is shown."""
    write_songs(tmp_path / "songs.csv")
    write_images(tmp_path / "images")
    (tmp_path / "deny.txt").write_text("玫瑰  # no flowers\n", encoding="utf-8")
    built = songlens(
        "model", "build", "--songs", str(tmp_path / "songs.csv"), "--images", str(tmp_path / "images"),
        "--models", str(tmp_path / "models"), "--backbone", "tiny", "--samples", "20000",
        "--deny-file", str(tmp_path / "deny.txt"), "--allow", "你", "--keywords", "2",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (folder,) = (path.parent for path in (tmp_path / "models").glob("*/manifest.json"))
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert {row["keyword"]: (row["songs"], row["images"]) for row in report["keywords"]} == {
        "大海": (6, 4),
        "森林": (6, 3),
    }
    assert report["keywords"][0]["examples"][0]["line"] == "我看见大海"
    assert {row["keyword"]: row["reason"] for row in report["near_misses"]} == dict.fromkeys(
        ("你", "唱歌"), "no image bears it"
    )
    config = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["config"]["keywords"]
    assert (config["deny"], config["allow"], config["count"]) == (["玫瑰"], ["你"], 2)
    assert "No keywords: no image bears it" in songlens("model", "show", "--models", str(tmp_path / "models")).stdout


def test_the_same_build_is_not_done_twice(tmp_path: Path) -> None:
    """Building from the same data and options again takes the version that is there, unless it is damaged."""
    write_songs(tmp_path / "songs.csv")
    write_images(tmp_path / "images")
    arguments = (
        "model", "build", "--songs", str(tmp_path / "songs.csv"), "--images", str(tmp_path / "images"),
        "--models", str(tmp_path / "models"), "--backbone", "tiny", "--samples", "20000",
    )  # fmt: skip
    assert songlens(*arguments).returncode == 0
    again = songlens(*arguments)
    assert "was built from exactly this before" in again.stdout
    (index,) = (tmp_path / "models").glob("*/image_index.faiss")
    index.write_bytes(index.read_bytes()[:-1])
    time.sleep(1.1)  # a version's name begins with its second
    assert "was built from exactly this before" not in songlens(*arguments).stdout
    assert len(list((tmp_path / "models").glob("*/manifest.json"))) == 2


def test_unusable_data_is_one_sentence(tmp_path: Path) -> None:
    """A file that is missing, of another kind or without a good row ends with a sentence and leaves no version."""
    write_images(tmp_path / "images")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "songs.xlsx").write_text("")
    for songs, sentence, status in (
        ("absent.csv", "does not exist", 2),
        ("empty.jsonl", "has no usable row", 5),
        ("songs.xlsx", "neither .jsonl, .csv nor .parquet", 5),
    ):
        refused = songlens(
            "model", "build", "--songs", str(tmp_path / songs), "--images", str(tmp_path / "images"),
            "--models", str(tmp_path / "models"), "--backbone", "tiny",
        )  # fmt: skip
        assert refused.returncode == status, refused.stderr
        assert sentence in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not list((tmp_path / "models").glob("*/manifest.json"))


def test_no_space_left_leaves_no_version(tmp_path: Path) -> None:
    """A disk that takes no more in the middle of a build: one sentence, and nothing that could be published."""
    write_songs(tmp_path / "songs.csv")
    write_images(tmp_path / "images")
    models = tmp_path / "models"
    command = [
        sys.executable, "-m", "songlens", "model", "build", "--songs", str(tmp_path / "songs.csv"),
        "--images", str(tmp_path / "images"), "--models", str(models), "--backbone", "tiny", "--samples", "20000",
    ]  # fmt: skip
    refused = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, preexec_fn=no_file_past_20_kb
    )
    assert refused.returncode == 4, refused.stderr
    assert "the model cannot be written" in refused.stderr
    assert "File too large" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [path.name for path in models.iterdir() if not path.name.endswith(".rejects.jsonl")] == []


def no_file_past_20_kb() -> None:
    """What a full disk is to a program: the write fails. The size of all vectors as text is past the limit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
