"""The backbones that there are, by name. Importing this brings no torch; loading one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from songlens_shared.errors import ConfigError
from songlens_workers.threads import sleep_while_waiting
from songlens_workers.vision.backbone import Backbone, DownloadProgress

BACKBONES = ("vgg19", "efficientnet_lite2", "tiny")
"""`vgg19` is the method and the default; `efficientnet_lite2` stands in for it where its weights cannot be had;
`tiny` is an untrained network for tests and overhead benchmarks and is only ever loaded by this name."""


def load_backbone(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    precision: str = "fp32",
    calibration: Path | None = None,
    building: bool = False,
    ready_for: int = 0,
    progress: DownloadProgress | None = None,
) -> Backbone:
    """Load a backbone with pretrained weights, ready to embed.

    `weights` is a local file instead of the backbone's own source. `device` is a torch device, or `auto`: the GPU
    where there is one. `threads` bounds the processors of the CPU forward pass, for the whole process; None takes
    what the container really has. `precision` is the arithmetic of the forward pass; `calibration` is the
    file of a model version that int8 needs, or `building` says that a version is to be built: below fp32 the backbone
    is then `Unproven`. For batches of up to `ready_for` photos everything is prepared now that a GPU would otherwise
    prepare when the first of a size comes. `progress` is told about a download.

    Raises `ConfigError` for an unknown name, a device that is not there or a precision that is not offered on it,
    `WeightsUnavailable` when the weights cannot be reached and `WeightsDamaged` when they are not what they should be.
    """
    if name not in BACKBONES:
        raise ConfigError(f"There is no backbone {name!r}; choose one of {', '.join(BACKBONES)}.")
    sleep_while_waiting()
    from songlens_workers.vision.torch_backbone import TorchBackbone, set_threads

    set_threads(threads)
    how: dict[str, Any] = {"device": device, "precision": precision, "calibration": calibration, "building": building}
    backbone = _load(name, weights, how, progress)
    if ready_for and isinstance(backbone, TorchBackbone):
        backbone.warm_up(ready_for)
    return backbone


def _load(name: str, weights: Path | None, how: dict[str, Any], progress: DownloadProgress | None) -> Backbone:
    if name == "vgg19":
        from songlens_workers.vision import vgg19

        return vgg19.load(weights=weights, **how, progress=progress)
    if name == "efficientnet_lite2":
        from songlens_workers.vision import efficientnet_lite2

        return efficientnet_lite2.load(weights=weights, **how)
    from songlens_workers.vision import tiny

    if weights is not None:
        raise ConfigError("The tiny backbone makes its own weights; leave out the weights file.")
    return tiny.load(**how)
