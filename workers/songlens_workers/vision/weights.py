"""Pretrained weights: fetch them, prove that they are what they should be, and put them into a network."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from songlens_shared.errors import WeightsDamaged, WeightsUnavailable
from songlens_workers.vision.backbone import DownloadProgress

StateDict = dict[str, Tensor]

_CHUNK_BYTES = 1 << 20
# Without one, a host whose packets are dropped would hold the demo up for minutes before it falls back.
_TIMEOUT_S = 20.0
# torch's naming convention: the first digits of the file's SHA-256 before the extension, as in vgg19-dcbb9e9d.pth.
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[^.]+$")
_SHOWN_NAMES = 3


VGG19_FILE = "vgg19-dcbb9e9d.pth"
"""The name of torchvision's weights in torch's cache; looking for them must not cost an import of torchvision."""


def cache_folder() -> Path:
    """Return the folder in which torch and torchvision keep the weights that they download."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def read_weights(path: Path) -> tuple[StateDict, str]:
    """Read a torch weights file; return its tensors on the CPU and its SHA-256.

    Only tensors are unpickled, so that a hostile file cannot run code.
    Raises `WeightsUnavailable` when the file cannot be read; `WeightsDamaged` when its checksum is not the one in its
    name, or it is no torch file of named tensors.
    """
    sha256 = checked_sha256(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Given other bytes, torch's restricted unpickler fails in any way that a stack machine can.
        raise WeightsDamaged(
            f"The weights file {path} is not a torch file that can be read, or is cut short; download it again."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsDamaged(f"The weights file {path} does not hold a state dict (names with tensors).")
    return dict(state), sha256


def checked_sha256(path: Path) -> str:
    """Return the file's SHA-256, after comparing it with the digits in the file's name, if there are any.

    Raises `WeightsUnavailable` when the file cannot be read and `WeightsDamaged` when the digits differ.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsUnavailable(f"The weights file {path} cannot be read: {error.strerror}.") from error
    promised = _hash_in_name(path.name)
    if promised is not None and not sha256.startswith(promised):
        raise WeightsDamaged(
            f"The weights file {path} is damaged: its SHA-256 begins with {sha256[: len(promised)]}, and its name says "
            f"{promised}. Delete it and download it again."
        )
    return sha256


def fill(network: nn.Module, state: StateDict, path: Path) -> None:
    """Give the network the file's tensors as its parameters; it may be on the meta device.

    Raises `WeightsDamaged`, which names what is wrong, unless names and shapes match exactly and all values are finite.
    """
    expected = network.state_dict()
    faults = [
        _names("lacks", sorted(expected.keys() - state.keys())),
        _names("has the unknown", sorted(state.keys() - expected.keys())),
        _names("has the wrong shape for", _misshapen(expected, state)),
        _names("has values that are not finite numbers in", _not_finite(state)),
    ]
    found = [fault for fault in faults if fault]
    if found:
        raise WeightsDamaged(f"The weights file {path} is not for this network: it {'; it '.join(found)}.")
    tensors = {name: state[name].to(tensor.dtype).contiguous() for name, tensor in expected.items()}
    network.load_state_dict(tensors, strict=True, assign=True)


def _names(fault: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"{fault} {', '.join(names[:_SHOWN_NAMES])}{more}"


def _misshapen(expected: Mapping[str, Tensor], state: StateDict) -> list[str]:
    shared = sorted(expected.keys() & state.keys())
    return [
        f"{name} {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in shared
        if state[name].shape != expected[name].shape
    ]


def _not_finite(state: StateDict) -> list[str]:
    return [name for name, tensor in sorted(state.items()) if not bool(torch.isfinite(tensor).all())]


def download_weights(
    url: str, folder: Path, progress: DownloadProgress | None = None, *, timeout_s: float = _TIMEOUT_S
) -> Path:
    """Return the file of that URL in `folder`; download it, checksum and all, unless it is there already.

    `torch.hub` does the same, but waits without limit for a silent host, writes to standard output and takes a cut-off
    transfer for a wrong checksum. With torch's own cache as `folder`, each finds the other's files.
    `timeout_s` bounds each wait for the host, not the whole transfer.

    Raises `WeightsUnavailable` when the host cannot be reached or breaks off, or the folder cannot be written, and
    `WeightsDamaged` when the checksum is not the one in the URL.
    """
    path = folder / Path(urlparse(url).path).name
    if path.exists():
        return path
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            sha256 = _transfer(url, file, progress, timeout_s)
        _check_download(url, sha256)
        partial.replace(path)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsUnavailable(
            f"The weights {path.name} could not be downloaded from {urlparse(url).hostname} ({_reason(error)}). "
            f"Try again with a network that reaches it, or download {url} elsewhere and give the file with "
            "`--weights FILE`."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return path


def _transfer(url: str, file: BinaryIO, progress: DownloadProgress | None, timeout_s: float) -> str:
    """Write the body to `file` and return its SHA-256; raises `OSError` or `HTTPException` when it breaks off."""
    digest = hashlib.sha256()
    done = 0
    with urllib.request.urlopen(url, timeout=timeout_s) as response:
        total = int(response.headers.get("Content-Length") or 0)
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    if done < total:
        raise ConnectionError(f"the transfer broke off after {done} of {total} bytes")
    return digest.hexdigest()


def _check_download(url: str, sha256: str) -> None:
    promised = _hash_in_name(Path(urlparse(url).path).name)
    if promised is not None and not sha256.startswith(promised):
        raise WeightsDamaged(
            f"What {urlparse(url).hostname} sent is not the weights: its SHA-256 begins with {sha256[: len(promised)]} "
            f"instead of {promised}. Try again, or give a file with `--weights FILE`."
        )


def _hash_in_name(name: str) -> str | None:
    match = _HASH_IN_NAME.search(name)
    return match[1] if match else None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the answer was {error.code} {error.reason}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(reason) or type(reason).__name__
