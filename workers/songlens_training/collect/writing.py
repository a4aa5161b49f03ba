"""The finished catalogue: images named by content, images.jsonl with licence and attribution, collect.json."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from songlens_training.collect.checks import CheckedImage
from songlens_training.collect.sources import Candidate
from songlens_training.whole_file import whole_file

IMAGES = "images"
MANIFEST = "images.jsonl"
REPORT = "collect.json"

_ID_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class CollectedImage:
    """An image of the catalogue: where it came from, and the weights of all the keywords that its copies had."""

    image: CheckedImage
    candidate: Candidate
    keywords: dict[str, float]

    def row(self) -> dict[str, Any]:
        """Return its row in the manifest; what the source does not say is left out."""
        candidate = self.candidate
        texts = {
            "title": candidate.title,
            "licence": candidate.licence,
            "licence_url": candidate.licence_url,
            "attribution": candidate.attribution,
            "creator": candidate.creator,
            "source": candidate.source,
            "url": candidate.url,
            "landing_page": candidate.landing_page,
        }
        return {
            "id": self.image.sha256[:_ID_DIGITS],
            "path": f"{IMAGES}/{self.image.file_name}",
            "keywords": self.keywords,
            **{name: text for name, text in texts.items() if text},
            "width": self.image.width,
            "height": self.image.height,
            "sha256": self.image.sha256,
        }


def write_catalogue(folder: Path, fetched: Path, images: Iterable[CollectedImage], report: Mapping[str, Any]) -> None:
    """Make `folder` hold exactly these images, whose files lie in `fetched`; the report is written last.

    At any moment the manifest lists only images that are there. Raises `OSError`.
    """
    (folder / REPORT).unlink(missing_ok=True)
    (folder / IMAGES).mkdir(exist_ok=True)
    rows = []
    for image in images:
        _place(fetched / image.image.file_name, folder / IMAGES / image.image.file_name)
        rows.append(json.dumps(image.row(), ensure_ascii=False) + "\n")
    _write(folder / MANIFEST, "".join(rows))
    listed = {image.image.file_name for image in images}
    for path in (folder / IMAGES).iterdir():
        if path.name not in listed:
            path.unlink()
    _write(folder / REPORT, json.dumps(report, ensure_ascii=False, indent=2) + "\n")


def _place(file: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has no hard links."""
    if target.exists() and target.stat().st_size == file.stat().st_size:
        return
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:
        with whole_file(target) as copy, file.open("rb") as content:
            shutil.copyfileobj(content, copy)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
