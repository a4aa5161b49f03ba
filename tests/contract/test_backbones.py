"""Every backbone keeps one contract; VGG-19 equals torchvision's, and EfficientNet-Lite2 its reference."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.models
from torch import Tensor

from songlens_shared.errors import ConfigError, WeightsDamaged, WeightsUnavailable
from songlens_workers.vision import efficientnet_lite2, tiny, vgg19
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.forward.lanes import inline_lanes
from songlens_workers.vision.forward.program import NormalisedNetwork
from songlens_workers.vision.forward.staged import StagedExecutor
from songlens_workers.vision.preprocess import Pixels
from songlens_workers.vision.registry import BACKBONES, load_backbone
from songlens_workers.vision.torch_backbone import TorchBackbone

STAGED = "tiny, staged"
DIMENSIONS = {"vgg19": 4096, "efficientnet_lite2": 1280, "tiny": 64}


def overlapping(like: Tensor, generator: torch.Generator) -> Tensor:
    """Weights of the right shape whose rows, all distinct, share memory: each begins one value after the one before.

    A file of 143.7 million dense parameters has 548 MB; this has the same names, shapes and types in under 1 MB.
    """
    if like.ndim < 2:
        return torch.randn(like.shape, generator=generator) * 0.1
    rows, fan_in = like.shape[0], like[0].numel()
    values = torch.randn(rows + fan_in, generator=generator) * (2 / fan_in) ** 0.5
    strides = (1, *like[0].stride())
    return values.as_strided(like.shape, strides)


@pytest.fixture(scope="session")
def vgg19_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file as torchvision saves it: the state dict of its VGG-19."""
    generator = torch.Generator().manual_seed(19)
    with torch.device("meta"):
        network = torchvision.models.vgg19()
    state = {name: overlapping(tensor, generator) for name, tensor in network.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module", params=[*BACKBONES, STAGED])
def backbone(request: pytest.FixtureRequest, vgg19_weights: Path) -> Iterator[Backbone]:
    """Each backbone in turn, on the CPU with two threads; and one by the executor that GPUs have."""
    weights = vgg19_weights if request.param == "vgg19" else None
    threads = torch.get_num_threads()
    if request.param == STAGED:
        yield staged_tiny()
    else:
        yield load_backbone(request.param, weights=weights, device="cpu", threads=2)
    torch.set_num_threads(threads)


def staged_tiny() -> Backbone:
    """The tiny backbone in pieces of up to two photos."""
    network = NormalisedNetwork(tiny.plain(tiny.untrained_network()), tiny.PREPROCESSING, torch.device("cpu"))
    return TorchBackbone(
        name="tiny",
        executor=StagedExecutor(network, inline_lanes(), largest=2),
        dimensions=tiny.DIMENSIONS,
        preprocessing=tiny.PREPROCESSING,
        weights_sha256=tiny.load(device="cpu").weights_sha256,
    )


def photos(backbone: Backbone, count: int) -> Pixels:
    """Random pixels, uint8 (count, S, S, 3)."""
    side = backbone.preprocessing.crop
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), np.uint8)


def test_describes_itself(backbone: Backbone) -> None:
    """Name, dimensions, checksum, precision and device are what a manifest records."""
    assert backbone.dimensions == DIMENSIONS[backbone.name]
    assert len(backbone.weights_sha256) == 64
    assert set(backbone.weights_sha256) <= set("0123456789abcdef")
    assert (backbone.precision, backbone.device) == ("fp32", "cpu")


def test_embeds_a_batch(backbone: Backbone) -> None:
    """(N, S, S, 3) uint8 becomes (N, D) float32, finite, and different photos get different vectors."""
    features = backbone.embed(photos(backbone, 2))
    assert features.shape == (2, backbone.dimensions)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.linalg.norm(features[0] - features[1]) > 1e-3


def test_is_deterministic(backbone: Backbone) -> None:
    """The same photos get the same vectors again."""
    pixels = photos(backbone, 1)
    np.testing.assert_array_equal(backbone.embed(pixels), backbone.embed(pixels))


def test_neighbours_in_the_batch_do_not_matter(backbone: Backbone) -> None:
    """A photo's vector is the same, to 1e-4 of its length, alone, in a batch and at another place in it."""
    pixels = photos(backbone, 3)
    together = backbone.embed(pixels)
    scale = float(np.linalg.norm(together, axis=1).mean())
    for row in (0, 2):
        np.testing.assert_allclose(backbone.embed(pixels[row : row + 1])[0], together[row], atol=1e-4 * scale)
    np.testing.assert_allclose(backbone.embed(pixels[::-1]), together[::-1], atol=1e-4 * scale)


def test_takes_pixels_in_any_memory_layout(backbone: Backbone) -> None:
    """Views, read-only arrays and channel-first memory give the vectors of a plain array, and are left as they were."""
    pixels = photos(backbone, 1)
    expected = backbone.embed(pixels)
    every_other = np.repeat(pixels, 2, axis=0)[::2]
    channel_first = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    read_only = pixels.copy()
    read_only.setflags(write=False)
    for layout in (every_other, channel_first, read_only):
        np.testing.assert_array_equal(backbone.embed(layout), expected)
    np.testing.assert_array_equal(pixels, photos(backbone, 1))


def test_empty_batch(backbone: Backbone) -> None:
    """No photos give no vectors, with the right number of columns."""
    features = backbone.embed(photos(backbone, 0))
    assert features.shape == (0, backbone.dimensions)
    assert features.dtype == np.float32


def test_wrong_pixels_are_refused(backbone: Backbone) -> None:
    """Another size, layout, dtype or rank is a `ValueError` that names what was expected."""
    good = photos(backbone, 1)
    side = backbone.preprocessing.crop
    for wrong in (good[0], good[:, :-1], good.transpose(0, 3, 1, 2), good.astype(np.float32), good[..., :1]):
        with pytest.raises(ValueError, match=rf"uint8 \(N, {side}, {side}, 3\); got"):
            backbone.embed(wrong)


def test_vgg19_equals_torchvisions_network_cut_at_fc2(vgg19_weights: Path) -> None:
    """The vectors are those of torchvision's own VGG-19 after the second fully-connected layer's ReLU, to 1e-5."""
    ours = vgg19.load(weights=vgg19_weights, device="cpu")
    with torch.device("meta"):
        theirs = torchvision.models.vgg19().eval()
    theirs.load_state_dict(torch.load(vgg19_weights, weights_only=True), assign=True)
    pixels = photos(ours, 2)
    levels = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        maps = theirs.features((levels - mean[:, None, None]) / std[:, None, None])
        expected = theirs.classifier[:5](torch.flatten(theirs.avgpool(maps), 1)).numpy()
    assert expected.max() > 0.1
    assert (expected == 0).any(), "a ReLU leaves zeros"
    np.testing.assert_allclose(ours.embed(pixels), expected, atol=1e-5 * expected.max())


def test_vgg19_comes_from_torchs_cache(vgg19_weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a weights file it takes what torchvision has already downloaded, under torchvision's own file name."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "vgg19-any.pth").write_bytes(vgg19_weights.read_bytes())
    loaded = vgg19.load(device="cpu", url="http://weights.invalid/models/vgg19-any.pth")
    assert loaded.weights_sha256 == hashlib.sha256(vgg19_weights.read_bytes()).hexdigest()


def test_vgg19_out_of_reach_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the host cannot be reached, the error says so and names the file to fetch and the option to give it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(WeightsUnavailable, match=r"weights\.invalid .*vgg19-dcbb9e9d\.pth.*--weights FILE"):
        vgg19.load(device="cpu", url="http://weights.invalid/models/vgg19-dcbb9e9d.pth")


def test_weights_of_another_backbone_are_refused(vgg19_weights: Path) -> None:
    """EfficientNet's file given to VGG-19, and the other way round, is named as not for this network."""
    with pytest.raises(WeightsDamaged, match=r"not for this network: it lacks classifier\.0\.bias"):
        load_backbone("vgg19", weights=efficientnet_lite2.packaged_weights(), device="cpu", threads=2)
    with pytest.raises(WeightsDamaged, match=r"unknown classifier\.0\.bias"):
        load_backbone("efficientnet_lite2", weights=vgg19_weights, device="cpu", threads=2)


def test_efficientnet_takes_every_tensor_of_the_package() -> None:
    """All 6,092,072 trained parameters are in place, and batch normalisation uses its trained statistics."""
    network, _ = efficientnet_lite2.read_network(efficientnet_lite2.packaged_weights())
    assert sum(parameter.numel() for parameter in network.parameters()) == 6_092_072
    assert not network.training
    assert not any(tensor.is_meta for tensor in network.state_dict().values())


def test_folding_norms_changes_nothing() -> None:
    """With batch normalisation folded into the convolutions the features are the same, and no normalisation is left."""
    network, _ = efficientnet_lite2.read_network(efficientnet_lite2.packaged_weights())
    images = torch.randn(1, 3, 260, 260, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected = network(images)
        efficientnet_lite2.fold_norms(network)
        assert torch.allclose(network(images), expected, atol=1e-4)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())


def test_efficientnet_equals_its_reference() -> None:
    """The strongest features and classes of a fixed picture are those of the reference implementation of these weights.

    The expected figures were computed with the package efficientnet_lite_pytorch 0.1.0, which the weights belong to.
    """
    y, x = np.mgrid[0:260, 0:260]
    channels = [(y + x) // 2 % 256, 255 * ((x // 20 + y // 20) % 2), y * x // 260 % 256]
    pixels = np.stack(channels, axis=-1).astype(np.uint8)[None]
    unit = efficientnet_lite2.load(device="cpu").embed(pixels)[0]
    assert float(np.linalg.norm(unit)) == pytest.approx(1, abs=1e-5)
    features = unit * np.float32(11.34002)  # the reference's length
    assert features.argsort()[::-1][:8].tolist() == [302, 942, 1208, 52, 295, 749, 1100, 631]
    np.testing.assert_allclose(np.sort(features)[::-1][:4], [4.10475, 3.83217, 3.58159, 2.98113], atol=1e-3)
    network, _ = efficientnet_lite2.read_network(efficientnet_lite2.packaged_weights())
    with torch.inference_mode():
        scores = network.fc(torch.from_numpy(features))
    assert scores.topk(3).indices.tolist() == [902, 549, 473]


def test_tiny_is_the_same_in_every_process() -> None:
    """Its weights do not depend on the process's random state, nor disturb it."""
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    here = tiny.load(device="cpu").weights_sha256
    assert torch.equal(torch.rand(1), expected)
    code = "from songlens_workers.vision import tiny; print(tiny.load(device='cpu').weights_sha256)"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there


def test_unknown_names_are_refused() -> None:
    """A backbone, a device or a number of threads that cannot be is a mistake in the settings, with the way out."""
    with pytest.raises(ConfigError, match="choose one of vgg19, efficientnet_lite2, tiny"):
        load_backbone("resnet50")
    with pytest.raises(ConfigError, match=r"'abacus' cannot be used.*`cpu`"):
        load_backbone("tiny", device="abacus", threads=2)
    with pytest.raises(ConfigError, match="1 or more"):
        load_backbone("tiny", threads=0)
    with pytest.raises(ConfigError, match="leave out the weights file"):
        load_backbone("tiny", weights=Path("net.pth"), threads=2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_missing_gpu_is_refused() -> None:
    """Asking for a GPU where there is none says so instead of failing at the first photo."""
    with pytest.raises(ConfigError, match="'cuda:0' cannot be used"):
        load_backbone("tiny", device="cuda:0", threads=2)


def test_threads_are_set() -> None:
    """The number of threads given is the number that torch uses."""
    before = torch.get_num_threads()
    load_backbone("tiny", device="cpu", threads=1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["efficientnet_lite2", "tiny"])
def test_gpu_agrees_with_cpu(name: str) -> None:
    """The vectors of a photo are the same on a GPU, to 1e-3 of their length."""
    on_cpu, on_gpu = load_backbone(name, device="cpu"), load_backbone(name, device="cuda:0")
    pixels = photos(on_cpu, 4)
    expected = on_cpu.embed(pixels)
    np.testing.assert_allclose(on_gpu.embed(pixels), expected, atol=1e-3 * float(np.abs(expected).max()))


def test_contract_needs_no_torch() -> None:
    """Naming the backbones and their contract imports no torch."""
    code = "import sys, songlens_workers.vision.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
