"""Other ways of executing a network, as the benchmark has them beside ours: they compute what it computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from small_vgg import PREPROCESSING, network, photos

from songlens_benchmarks import forward_peers, peer_compile, peer_onnxruntime, peer_pt2e
from songlens_benchmarks.forward_peers import PeerWrong, Sizes
from songlens_benchmarks.peer_executors import Peer, PeerMissing, Peers
from songlens_benchmarks.row import Effort, Row
from songlens_shared.errors import DataError
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.eager import EagerExecutor
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.forward.int8 import can_quantise
from songlens_workers.vision.preprocess import Pixels

# Compilers take minutes where others have the cores.
pytestmark = pytest.mark.timeout(900)

CPU = torch.device("cpu")
TINY = Effort(rounds=1, quick=True)
needs_onnxruntime = pytest.mark.skipif(not peer_onnxruntime.INSTALLED, reason="onnxruntime or its exporter is missing")
needs_torchao = pytest.mark.skipif(not peer_pt2e.INSTALLED, reason="torchao is not installed")


@pytest.fixture(scope="module")
def cache() -> Iterator[None]:
    """Whatever these tests compile, they compile once, and leave nothing behind."""
    if not peer_compile.can_compile():
        pytest.skip("there is no C++ compiler here")
    with peer_compile.compile_cache():
        yield


@pytest.fixture
def peers(tmp_path: Path) -> dict[str, Peer]:
    """Each peer of the small network, by name and precision; int8 has seen the photos that it is asked about."""
    made = Peers(
        network=network(),
        preprocessing=PREPROCESSING,
        photos=photos(16),
        reduce_range=not can_quantise(CPU),
        folder=tmp_path,
    )
    return {peer.what: peer for peer in made.all()}


def eager(pixels: Pixels) -> Features:
    """The network as torch runs it."""
    return EagerExecutor(network(), PREPROCESSING, CPU)(pixels)


def agrees(executor: Executor, tolerance: float, counts: tuple[int, ...]) -> None:
    """Look at the features of so many photos at a time."""
    for count in counts:
        expected, found = eager(photos(count)), executor(photos(count))
        assert (found.shape, found.dtype) == ((count, 48), np.float32)
        assert expected.max() > 0.1
        np.testing.assert_allclose(found, expected, atol=tolerance * float(expected.max()))


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
@pytest.mark.filterwarnings("ignore")  # of torch about itself
def test_torch_compile_agrees_with_torch(peers: dict[str, Peer]) -> None:
    """To 1e-5 of the largest feature."""
    agrees(peers["torch.compile, fp32"].make(), 1e-5, (3,))


@pytest.mark.slow
@needs_torchao
@pytest.mark.usefixtures("cache")
@pytest.mark.filterwarnings("ignore")  # of torchao about torch
def test_pt2e_agrees_with_torch(peers: dict[str, Peer]) -> None:
    """To 5 % of the largest feature, which sums that are cut off at 16 bits exceed, and not bit for bit: it is int8."""
    made = peers["torchao PT2E, int8"].make()
    agrees(made, 5e-2, (3,))
    assert np.abs(made(photos(3)) - eager(photos(3))).max() > 1e-4


@pytest.mark.slow
@needs_onnxruntime
@pytest.mark.filterwarnings("ignore")  # of the exporter about torch
def test_onnxruntime_agrees_with_torch(peers: dict[str, Peer]) -> None:
    """From one file for any batch: in fp32 to 1e-5 of the largest feature, in int8 to 7 %, as PT2E above."""
    agrees(peers["onnxruntime, fp32"].make(), 1e-5, (3, 1))
    rounded = peers["onnxruntime, int8"].make()
    agrees(rounded, 7e-2, (3, 1))
    assert np.abs(rounded(photos(3)) - eager(photos(3))).max() > 1e-4


def test_a_compile_cache_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was set before is set again."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "before")
    with peer_compile.compile_cache():
        folder = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
        assert folder.is_dir()
    assert not folder.exists()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "before"


class Scaled:
    """An executor of features that are so many times the right ones."""

    device = "cpu"

    def __init__(self, precision: str, times: float) -> None:
        self.precision = precision
        self._times = times

    def __call__(self, pixels: Pixels) -> Features:
        return eager(pixels) * np.float32(self._times)


def broken() -> Executor:
    raise RuntimeError("no such instruction\nat 0x0")


def peer(name: str, precision: str, make: Callable[[], Executor]) -> Peer:
    return Peer(name=name, precision=precision, packages=("torch",), settings="for a test", make=make)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark of the small network, in sizes of a test, beside peers of which some fail."""
    tested = [
        peer("right", "fp32", lambda: Scaled("fp32", 1.0)),
        peer("rounding", "int8", lambda: Scaled("int8", 1.001)),
        peer("wrong", "fp32", lambda: Scaled("fp32", 1.01)),
        peer("broken", "int8", broken),
    ]
    sizes = Sizes(batches=(1, 2), calibrating=4, comparing=8, least_s=0.0)
    for name, stand_in in {
        "PREPROCESSING": PREPROCESSING,
        "vgg19": network,
        "noise": photos,
        "photo_crops": photos,
        "max_gemm": lambda precision: 1e9,
    }.items():
        monkeypatch.setattr(forward_peers, name, stand_in)
    monkeypatch.setattr(Peers, "all", lambda self: tested)
    monkeypatch.setattr(Sizes, "of", lambda effort: sizes)


@pytest.mark.usefixtures("small")
def test_peers_are_measured_beside_ours() -> None:
    """Each at each batch size, with ours and the GEMM rate of the same run, its version, and recall of int8."""
    rows = {row.what: row for row in forward_peers.run(TINY)}
    for name in ("right, fp32, batch 1", "right, fp32, batch 2", "rounding, int8, batch 1", "rounding, int8, batch 2"):
        measured = rows[name]
        assert measured.value > 0
        assert measured.baseline is not None and measured.baseline.value > 0
        assert measured.target is None
        assert f"torch {torch.__version__.partition('+')[0]}" in measured.note
    assert rows["recall@5 of rounding, int8 queries in an fp32 index"].value == 1


@pytest.mark.usefixtures("small")
def test_whoever_fails_is_told_of_and_not_counted() -> None:
    """With the first line of what it said; the others are measured."""
    rows = list(forward_peers.run(TINY))
    failed = {row.what: row for row in rows if "not measured" in row.what}
    assert set(failed) == {
        "broken, int8: not measured",
        "wrong, fp32, batch 1: not measured",
        "wrong, fp32, batch 2: not measured",
    }
    assert failed["broken, int8: not measured"].note == "RuntimeError: no such instruction"
    assert failed["wrong, fp32, batch 1: not measured"].note == PeerWrong().message
    assert all(row.value == 0 for row in failed.values())
    assert not any(row.what.startswith(("wrong", "broken")) for row in rows if row not in failed.values())


@pytest.mark.usefixtures("small")
def test_without_photos_speeds_are_measured_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a row says why there is no recall."""

    def none(each: int) -> Pixels:
        raise DataError("there are no photos.")

    monkeypatch.setattr(forward_peers, "photo_crops", none)
    rows = list(forward_peers.run(TINY))
    assert rows[0] == Row(what="recall@5: not measured", value=0, unit="", note="there are no photos.")
    assert [row.what for row in rows if "recall@5 of" in row.what] == []
    assert any(row.value > 0 for row in rows)


def test_a_peer_without_a_compiler_says_so(peers: dict[str, Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of failing somewhere in torch."""
    monkeypatch.setattr(peer_compile, "can_compile", lambda: False)
    with pytest.raises(PeerMissing, match="compiler"):
        peers["torch.compile, fp32"].make()
