"""Which backbone makes the image features, and opening it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from songlens_shared.errors import WeightsUnavailable
from songlens_training.progress import Progress

if TYPE_CHECKING:
    from songlens_workers.models.store import ModelStore
    from songlens_workers.vision.backbone import Backbone

_option = partial(typer.Option, rich_help_panel="Image features")

DEFAULT_BACKBONE = "vgg19"


@dataclass(frozen=True, kw_only=True)
class WeightFlags:
    """Where a backbone's weights are, and where it runs."""

    weights: Annotated[Path | None, _option(help="Local file of the backbone's weights.")] = None
    device: Annotated[str, _option(help="auto, cpu, cuda or cuda:N.")] = "auto"

    def open(self, name: str, threads: int | None, progress: Progress, precision: str = "fp32") -> Backbone:
        """Return the backbone of a name to build with, its weights downloaded where they are not there.

        Raises `WeightsUnavailable`, `WeightsDamaged` or `ConfigError`.
        """
        return self._loaded(name, threads, progress, precision=precision, building=True)

    def open_of_version(self, store: ModelStore, version: str, threads: int | None, progress: Progress) -> Backbone:
        """Return the backbone of a model version, in its precision. Raises what `open` does, and `ModelError`."""
        folder, manifest = store.open(version, check=False)
        spec = manifest.backbone
        calibration = manifest.calibration(folder)
        return self._loaded(spec.name, threads, progress, precision=spec.precision, calibration=calibration)

    def _loaded(self, name: str, threads: int | None, progress: Progress, **how: Any) -> Backbone:
        from songlens_workers.vision.registry import load_backbone

        def downloading(done: int, total: int) -> None:
            progress("Downloading weights", done, total)

        progress("Loading the backbone", 0, 1)
        try:
            backbone = load_backbone(
                name, weights=self.weights, device=self.device, threads=threads, progress=downloading, **how
            )
        except WeightsUnavailable as error:
            raise WeightsUnavailable(
                f"{error.message} `--backbone efficientnet_lite2` needs no download; its weights come with a package."
            ) from error
        progress("Loading the backbone", 1, 1)
        return backbone


@dataclass(frozen=True, kw_only=True)
class BackboneFlags(WeightFlags):
    """The backbone as well."""

    backbone: Annotated[str, _option(help="vgg19 or efficientnet_lite2.")] = DEFAULT_BACKBONE
    precision: Annotated[str, _option(help="Arithmetic of the forward pass: fp32, bf16 or int8.")] = "fp32"

    def open_chosen(self, threads: int | None, progress: Progress) -> Backbone:
        """Return the backbone that is chosen, as `open` does."""
        return self.open(self.backbone, threads, progress, self.precision)
