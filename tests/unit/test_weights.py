"""Weights files: fetched from a real server, checked, and refused with a reason."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import pytest
import torch
from free_ports import free_port
from torch import nn

from songlens_shared.errors import WeightsDamaged, WeightsUnavailable
from songlens_workers.vision import vgg19
from songlens_workers.vision.weights import VGG19_FILE, checked_sha256, download_weights, fill, read_weights

BODY = bytes(range(256)) * 20_000  # 5 MB: several chunks
PREFIX = hashlib.sha256(BODY).hexdigest()[:8]
GOOD = f"/net-{PREFIX}.pth"
ANOTHER = "/net-0123abcd.pth"
CUT_OFF = f"/cut/net-{PREFIX}.pth"


class Host(BaseHTTPRequestHandler):
    """Serves the body, cuts it off, or knows nothing of it, as the path says."""

    def do_GET(self) -> None:
        if self.path not in (GOOD, ANOTHER, CUT_OFF):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2] if self.path == CUT_OFF else BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The base URL of an HTTP server on the loopback interface."""
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_download_checks_the_hash_and_reports_progress(host: str, tmp_path: Path) -> None:
    """The file arrives whole under its own name, and the progress runs from the first bytes to all of them."""
    seen: list[tuple[int, int]] = []
    path = download_weights(host + GOOD, tmp_path / "cache", lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "cache" / f"net-{PREFIX}.pth"
    assert path.read_bytes() == BODY
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert len(seen) > 1
    assert seen[-1] == (len(BODY), len(BODY))


def test_what_is_in_the_cache_is_not_fetched_again(host: str, tmp_path: Path) -> None:
    """A second download is none: it works with the host gone."""
    download_weights(host + GOOD, tmp_path)
    unreachable = f"http://127.0.0.1:{free_port()}{GOOD}"
    assert download_weights(unreachable, tmp_path).read_bytes() == BODY


def test_wrong_hash_is_refused(host: str, tmp_path: Path) -> None:
    """Content whose SHA-256 is not the one in the URL never gets into the cache."""
    with pytest.raises(WeightsDamaged, match=f"begins with {PREFIX} instead of 0123abcd"):
        download_weights(host + ANOTHER, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/gone-01234567.pth", "the answer was 404"), (CUT_OFF, r"broke off after 2560000 of 5120000 bytes")],
    ids=["404", "cut off"],
)
def test_failed_download_says_why_and_how_to_go_on(host: str, tmp_path: Path, path: str, reason: str) -> None:
    """A missing file and a cut-off transfer name the cause, the host and `--weights FILE`, and leave nothing behind."""
    with pytest.raises(WeightsUnavailable, match=rf"from 127\.0\.0\.1 .*{reason}.*--weights FILE"):
        download_weights(host + path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unreachable_host_is_weights_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A refused connection is reported as such, with the way round it."""
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(WeightsUnavailable, match=r"Connection refused.*--weights FILE"):
        download_weights(f"http://127.0.0.1:{free_port()}{GOOD}", tmp_path)


def test_unknown_host_is_weights_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host name that does not resolve, as on a machine without a network, is reported by name."""
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(WeightsUnavailable, match=r"from weights\.invalid .*--weights FILE"):
        download_weights(f"http://weights.invalid{GOOD}", tmp_path)


def test_silent_host_does_not_hang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host that accepts and says nothing is given up."""
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}{GOOD}"
        with pytest.raises(WeightsUnavailable, match="timed out"):
            download_weights(url, tmp_path, timeout_s=0.2)


def test_cache_that_cannot_be_written(host: str, tmp_path: Path) -> None:
    """A cache folder that cannot be made is reported, not raised as a bare `OSError`."""
    (tmp_path / "file").touch()
    with pytest.raises(WeightsUnavailable, match="--weights FILE"):
        download_weights(host + GOOD, tmp_path / "file")


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.BatchNorm1d(2))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A sound weights file of `network()`."""
    path = tmp_path / "net.pth"
    torch.save(network().state_dict(), path)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_weights_go_in_unchanged(tmp_path: Path, zipped: bool) -> None:
    """Both of torch's file formats fill a network on the meta device with exactly what was saved."""
    original = network()
    path = tmp_path / "net.pth"
    torch.save(original.state_dict(), path, _use_new_zipfile_serialization=zipped)
    state, sha256 = read_weights(path)
    with torch.device("meta"):
        filled = network()
    fill(filled, state, path)
    assert all(torch.equal(filled.state_dict()[name], tensor) for name, tensor in original.state_dict().items())
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_missing_file_is_weights_unavailable(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(WeightsUnavailable, match=r"nowhere\.pth cannot be read: No such file"):
        read_weights(tmp_path / "nowhere.pth")


class Trap:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return eval, ("1 / 0",)


def saved_bytes(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


NO_WEIGHTS = {
    "text": b"this is not a weights file",
    "empty": b"",
    "zip of nothing": b"PK\x05\x06" + bytes(18),
    "cut short": saved_bytes(network().state_dict())[:-300],
    "code": saved_bytes({"weight": Trap()}),
    "a tensor": saved_bytes(torch.zeros(3)),
    "names without tensors": saved_bytes({"epoch": 3}),
}


@pytest.mark.parametrize("content", NO_WEIGHTS.values(), ids=NO_WEIGHTS.keys())
def test_what_is_no_weights_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Text, nothing, a cut-off file and other torch files are damaged weights; code in a pickle does not run."""
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsDamaged, match=r"net\.pth"):
        read_weights(path)


def test_hash_in_the_name_is_checked(saved: Path) -> None:
    """A file named after a checksum that it does not have is refused; named after its own it passes."""
    sha256 = hashlib.sha256(saved.read_bytes()).hexdigest()
    good = saved.rename(saved.with_name(f"net-{sha256[:8]}.pth"))
    assert checked_sha256(good) == sha256
    wrong = good.rename(good.with_name("net-01234567.pth"))
    with pytest.raises(WeightsDamaged, match=f"begins with {sha256[:8]}, and its name says 01234567"):
        read_weights(wrong)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """Missing, unknown, misshapen and non-finite tensors are all named in one message."""
    state = network().state_dict()
    state["extra.bias"] = torch.zeros(1)
    state["0.weight"] = torch.zeros(5, 3)
    state["2.weight"] = torch.tensor([1.0, float("nan")])
    del state["0.bias"]
    with pytest.raises(WeightsDamaged) as refusal:
        fill(network(), state, tmp_path / "net.pth")
    for part in (
        "lacks 0.bias",
        "unknown extra.bias",
        "0.weight (5, 3) instead of (2, 3)",
        "not finite numbers in 2.weight",
    ):
        assert part in refusal.value.message


def test_long_lists_of_faults_are_cut(tmp_path: Path) -> None:
    """An altogether different file gives one readable sentence."""
    with pytest.raises(WeightsDamaged, match=r"lacks 0\.bias, 0\.weight, 2\.bias and 4 more\.$"):
        fill(network(), {}, tmp_path / "net.pth")


def test_doctor_looks_for_torchvision_s_own_file() -> None:
    """The file name that is looked for without torchvision is the one that torchvision's weights have."""
    assert Path(urlparse(vgg19.WEIGHTS_URL).path).name == VGG19_FILE
