"""Every other way of executing a network on a CPU that is measured beside ours, and how each is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from torch import nn

from songlens_benchmarks import peer_compile, peer_onnxruntime, peer_pt2e
from songlens_shared.errors import SonglensError
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.preprocess import Pixels, Preprocessing


class PeerMissing(SonglensError):
    """what a peer needs is not installed."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One other way, in one precision."""

    name: str
    precision: str
    packages: tuple[str, ...]
    settings: str
    make: Callable[[], Executor]
    """Raises `PeerMissing`, and whatever the peer itself raises."""

    @property
    def what(self) -> str:
        """How rows call it."""
        return f"{self.name}, {self.precision}"

    @property
    def about(self) -> str:
        """What it is: versions and settings."""
        return ", ".join([*(f"{name} {metadata.version(name)}" for name in self.packages), self.settings])


@dataclass(frozen=True, kw_only=True)
class Peers:
    """What all of them are made from."""

    network: nn.Module
    preprocessing: Preprocessing
    photos: Pixels
    """What int8 is calibrated by: uint8 (N, S, S, 3)."""

    reduce_range: bool
    """Whether int8 spares a bit, for a processor without VNNI instructions."""

    folder: Path
    """Where ONNX files are written to."""

    def all(self) -> list[Peer]:
        """Return them in the order in which they are to be made."""
        bits = "7 bits of" if self.reduce_range else "8 bits of"
        calibrated = f"calibrated by {len(self.photos)} photos"
        runtime = partial(Peer, name="onnxruntime", packages=("onnxruntime",))
        return [
            Peer(
                name="torch.compile",
                precision="fp32",
                packages=("torch",),
                settings="inductor, frozen weights, channels-last",
                make=self._compiled,
            ),
            runtime(precision="fp32", settings="exported by torch.onnx", make=self._onnx),
            Peer(
                name="torchao PT2E",
                precision="int8",
                packages=("torch", "torchao"),
                settings=f"X86InductorQuantizer, static, {bits} activations, {calibrated}",
                make=self._pt2e,
            ),
            runtime(
                precision="int8",
                settings=f"QDQ of the same export, static, {bits} weights, {calibrated}",
                make=self._onnx_int8,
            ),
        ]

    def _compiled(self) -> Executor:
        _need_compiler()
        return peer_compile.compiled(self.network, self.preprocessing)

    def _pt2e(self) -> Executor:
        _need_compiler()
        _need(peer_pt2e.INSTALLED, "torchao")
        return peer_pt2e.quantised(self.network, self.preprocessing, self.photos, reduce_range=self.reduce_range)

    def _onnx(self) -> Executor:
        return peer_onnxruntime.Session(self._exported(), self.preprocessing, "fp32")

    def _onnx_int8(self) -> Executor:
        rounded = self.folder / "int8.onnx"
        peer_onnxruntime.quantise(
            self._exported(), self.preprocessing, self.photos, rounded, reduce_range=self.reduce_range
        )
        return peer_onnxruntime.Session(rounded, self.preprocessing, "int8")

    def _exported(self) -> Path:
        _need(peer_onnxruntime.INSTALLED, "onnxruntime, onnx and onnxscript")
        exact = self.folder / "fp32.onnx"
        if not exact.exists():
            peer_onnxruntime.export(self.network, self.preprocessing, exact)
        return exact


def _need(installed: bool, what: str) -> None:
    if not installed:
        raise PeerMissing(f"needs {what}, which the development group of pyproject.toml installs.")


def _need_compiler() -> None:
    if not peer_compile.can_compile():
        raise PeerMissing("needs a C++ compiler, and none is found here.")
