"""A catalogue of three colours, and a log of two listeners: one loves the sea, one the forest."""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image

SEA, FOREST, NIGHT = "大海", "森林", "夜晚"
COLOURS = {SEA: (20, 60, 200), FOREST: (20, 150, 30), NIGHT: (25, 20, 40)}
SONGS = 36
SEA_LOVER, FOREST_LOVER = "listener-of-the-sea", "listener-of-the-forest"


def write_catalogue(folder: Path) -> None:
    """Write songs that all hold the night, every other one the sea besides and the rest the forest; images of each."""
    with (folder / "songs.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "title", "lyrics"])
        for number in range(SONGS):
            rows.writerow([f"s{number}", f"歌{number}", f"今夜是{NIGHT}\n我看见{FOREST if number % 2 else SEA}"])
    for keyword, colour in COLOURS.items():
        (folder / "images" / keyword).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (64, 64 + number), colour).save(folder / "images" / keyword / f"{number}.jpg")


def write_log(path: Path) -> None:
    """Write a log of two listeners, who know a third of their songs, and four bad rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "song", "plays", "time"])
        for number in range(0, SONGS // 3, 2):
            rows.writerow([SEA_LOVER, f"s{number}", 3, "2025-06-01T08:00:00Z"])
            rows.writerow([FOREST_LOVER, f"s{number + 1}", 3, 1_748_764_800])
        rows.writerows([["x", "no-such-song", 1, ""], ["x", "s1", -1, ""], ["x", "s1", 1, "soon"], ["", "s1", 1, ""]])
