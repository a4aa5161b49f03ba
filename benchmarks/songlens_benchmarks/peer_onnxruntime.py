"""onnxruntime on the CPU: a network exported by torch.onnx, in fp32 and in its static int8."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.preprocess import Pixels, Preprocessing

INSTALLED = all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime", "onnxscript"))
_INPUT = "images"
_CPU = torch.device("cpu")


class Session:
    """An `Executor` of an ONNX file that maps normalised float32 (N, 3, S, S) to float32 (N, D)."""

    device = "cpu"

    def __init__(self, path: Path, preprocessing: Preprocessing, precision: str) -> None:
        import onnxruntime

        self.precision = precision
        self._normalised = _Nchw(preprocessing)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cpus()
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3)."""
        (features,) = self._session.run(None, {_INPUT: self._normalised(pixels)})
        return np.asarray(features)


def export(network: nn.Module, preprocessing: Preprocessing, path: Path) -> None:
    """Write the network for any number of images."""
    example = torch.zeros(2, 3, preprocessing.crop, preprocessing.crop)
    torch.onnx.export(
        network.eval(),
        (example,),
        path,
        input_names=[_INPUT],
        dynamic_shapes=({0: torch.export.Dim("count")},),
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def quantise(exact: Path, preprocessing: Preprocessing, photos: Pixels, path: Path, *, reduce_range: bool) -> None:
    """Write a file's network in int8: static, one level of weights for each channel, calibrated by uint8 (N, S, S, 3).

    Activations are unsigned, weights signed. `reduce_range` spares a bit of each weight: without VNNI instructions the
    sum of two products of bytes is kept in 16 bits, and would be cut off.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    quantize_static(
        exact,
        path,
        _Photos(photos, preprocessing),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=reduce_range,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


class _Nchw:
    """From uint8 (N, S, S, 3) to what an exported network takes: float32 (N, 3, S, S), channel after channel."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._normalised = Normaliser(preprocessing, _CPU)

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        images: NDArray[np.float32] = self._normalised(pixels).contiguous().numpy()
        return images


class _Photos:
    """What `quantize_static` reads its calibration images from, one after the other."""

    def __init__(self, photos: Pixels, preprocessing: Preprocessing) -> None:
        normalised = _Nchw(preprocessing)
        self._images: Iterator[Any] = (normalised(photos[at : at + 1]) for at in range(len(photos)))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next one; None after the last."""
        images = next(self._images, None)
        return None if images is None else {_INPUT: images}
