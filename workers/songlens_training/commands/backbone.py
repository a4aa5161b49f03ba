"""Opens the backbone that a verb's options name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from songlens_shared.errors import WeightsUnavailable
from songlens_training.progress import Progress

if TYPE_CHECKING:
    from songlens_workers.vision.backbone import Backbone


def open_backbone(name: str, weights: Path | None, device: str, threads: int | None, progress: Progress) -> Backbone:
    """Return the backbone, its weights downloaded where they are not there.

    Raises `WeightsUnavailable`, `WeightsDamaged` or `ConfigError`.
    """
    from songlens_workers.vision.registry import load_backbone

    def downloading(done: int, total: int) -> None:
        progress("Downloading weights", done, total)

    progress("Loading the backbone", 0, 1)
    try:
        backbone = load_backbone(name, weights=weights, device=device, threads=threads, progress=downloading)
    except WeightsUnavailable as error:
        raise WeightsUnavailable(
            f"{error.message} `--backbone efficientnet_lite2` needs no download; its weights come with a package."
        ) from error
    progress("Loading the backbone", 1, 1)
    return backbone
