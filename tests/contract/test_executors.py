"""Every way of executing a network keeps one contract: fused, int8 and bf16 agree with the network as torch runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_vgg import PREPROCESSING, network, photos

from songlens_shared.errors import ConfigError, ModelDamaged, ModelMismatch
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.model.precision import agreement_of, prove
from songlens_training.progress import silent
from songlens_workers.vision import tiny
from songlens_workers.vision.backbone import Backbone, Unproven
from songlens_workers.vision.forward.calibration import Calibration, calibrate
from songlens_workers.vision.forward.choose import choose_executor
from songlens_workers.vision.forward.eager import EagerExecutor
from songlens_workers.vision.forward.executor import Executor
from songlens_workers.vision.forward.fused import can_fuse, fused
from songlens_workers.vision.forward.int8 import can_quantise, quantised
from songlens_workers.vision.forward.normalise import Normaliser
from songlens_workers.vision.model import backbone_spec
from songlens_workers.vision.registry import load_backbone

CPU = torch.device("cpu")
LAYERS = 5

needs_onednn = pytest.mark.skipif(not can_fuse(CPU, "fp32"), reason="needs oneDNN on an x86 processor")
needs_bf16 = pytest.mark.skipif(not can_fuse(CPU, "bf16"), reason="needs an x86 processor with AVX512_BF16")
needs_vnni = pytest.mark.skipif(not can_quantise(CPU), reason="needs an x86 processor with VNNI")


def calibration() -> Calibration:
    normalised = Normaliser(PREPROCESSING, CPU)
    return calibrate(network(), [normalised(photos(16, seed=9))])


def executor(precision: str) -> Executor:
    if precision == "int8":
        return quantised(network(), PREPROCESSING, calibration())
    return fused(network(), PREPROCESSING, precision)


AGREES = [
    pytest.param("fp32", 1e-5, marks=needs_onednn),
    pytest.param("bf16", 2e-2, marks=needs_bf16),
    pytest.param("int8", 5e-2, marks=needs_vnni),
]


@pytest.mark.parametrize(("precision", "tolerance"), AGREES)
def test_agrees_with_torch(precision: str, tolerance: float) -> None:
    """Features are those of the network as torch runs it: to 1e-5 of the largest in fp32, to 2 and 5 % below."""
    made = executor(precision)
    assert (made.precision, made.device) == (precision, "cpu")
    pixels = photos(7)
    expected = EagerExecutor(network(), PREPROCESSING, CPU)(pixels)
    found = made(pixels)
    assert (found.shape, found.dtype) == ((7, 48), np.float32)
    assert expected.max() > 0.1
    np.testing.assert_allclose(found, expected, atol=tolerance * float(expected.max()))


@pytest.mark.parametrize(("precision", "tolerance"), AGREES)
@pytest.mark.parametrize("threads", [1, 8])
def test_a_batch_is_its_photos(precision: str, tolerance: float, threads: int) -> None:
    """However many photos go through the convolutions at once, each has the features that it has alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        made = executor(precision)
        pixels = photos(5)
        alone = np.concatenate([made(pixels[at : at + 1]) for at in range(5)])
        np.testing.assert_allclose(made(pixels), alone, atol=tolerance * float(alone.max()))
    finally:
        torch.set_num_threads(before)


@needs_vnni
def test_int8_finds_the_neighbours_of_fp32() -> None:
    """Of 700 photos most neighbours are the same, and more with the right calibration than with a wrong one."""
    pixels = photos(700)
    exact = EagerExecutor(network(), PREPROCESSING, CPU)(pixels)
    found = agreement_of(exact, executor("int8")(pixels))
    assert (found.queries, found.images) == (100, 600)
    assert found.recall_at_5 > 0.85
    assert found.recall_at_5_in_fp32 > 0.85
    wrong = Calibration(tuple(20 * scale for scale in calibration().scales))
    assert agreement_of(exact, quantised(network(), PREPROCESSING, wrong)(pixels)).recall_at_5 < found.recall_at_5


@needs_vnni
def test_a_calibration_makes_the_same_features_again(tmp_path: Path) -> None:
    """From the file that a build wrote, another process has the same int8 features bit for bit."""
    path = tmp_path / "calibration.json"
    path.write_bytes(calibration().to_bytes())
    again = choose_executor(network(), PREPROCESSING, CPU, "int8", path)
    np.testing.assert_array_equal(again(photos(3)), executor("int8")(photos(3)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"format": 2, "scales": [1, 1, 1, 1]}',
        b'{"format": 1, "scales": [1, 1, 1]}',
        b'{"format": 1, "scales": [1, 1, 1, 0]}',
        b'{"format": 1, "scales": [1, 1, 1, NaN]}',
        b'{"format": 1, "scales": [1, 1, 1, "x"]}',
    ],
    ids=["empty", "no-text", "list", "no-fields", "other-format", "too-few", "zero", "not-a-number", "text"],
)
def test_a_damaged_calibration_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever is wrong with the file, a sentence says which it is and what to do."""
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    with pytest.raises(ModelDamaged, match=r"calibration\.json of the model cannot be used .*build the model again"):
        Calibration.read(path, LAYERS)
    path.write_text(json.dumps({"format": 1, "scales": [1, 2, 3, 4]}))
    assert Calibration.read(path, LAYERS).scales == (1, 2, 3, 4)


def test_a_precision_that_is_not_there_is_refused() -> None:
    """Unknown, or not for this backbone: the error names what there is, and the way back to fp32."""
    with pytest.raises(ConfigError, match=r"'fp8' is not to be had .* fp32 always is"):
        load_backbone("tiny", device="cpu", threads=2, precision="fp8")
    with pytest.raises(ConfigError, match=r"'int8' is not to be had with this backbone.*vgg19.*--precision fp32"):
        load_backbone("efficientnet_lite2", device="cpu", threads=2, precision="int8", building=True)


@needs_vnni
def test_int8_without_its_calibration_is_refused() -> None:
    """Only a build may make one; anything else would compute features that no index holds."""
    with pytest.raises(ConfigError, match="int8 needs the calibration that `songlens model build"):
        load_backbone("tiny", device="cpu", threads=2, precision="int8")


@pytest.fixture
def images(tmp_path: Path) -> list[CatalogueImage]:
    """Eighty pictures, one of which is none."""
    from PIL import Image

    for number, pixels in enumerate(photos(80)):
        Image.fromarray(pixels).resize((72, 72)).save(tmp_path / f"{number:02}.png")
    (tmp_path / "07.png").write_bytes(b"no picture")
    return [CatalogueImage(id=path.stem, path=path, keywords={}) for path in sorted(tmp_path.glob("*.png"))]


@pytest.mark.parametrize("precision", [pytest.param("bf16", marks=needs_bf16), pytest.param("int8", marks=needs_vnni)])
def test_a_build_proves_its_precision(precision: str, images: list[CatalogueImage]) -> None:
    """What comes out embeds, says its precision in the manifest, and comes with its agreement on held-out images."""
    unproven = load_backbone("tiny", device="cpu", threads=2, precision=precision, building=True)
    assert isinstance(unproven, Unproven)
    with pytest.raises(RuntimeError, match="embeds once it is proven"):
        unproven.embed(np.zeros((1, 56, 56, 3), np.uint8))
    proven, agreement = prove(unproven, images, silent)
    assert agreement is not None
    assert (agreement.queries, agreement.images) == (5, 35)  # 79 can be decoded, 39 of them calibrate
    assert 0.5 < agreement.recall_at_5 <= 1
    spec = backbone_spec(proven)
    assert (spec.precision, spec.calibration_sha256 is not None) == (precision, precision == "int8")
    assert spec == backbone_spec(prove(unproven, images, silent)[0]), "the same images calibrate it alike"
    with pytest.raises(ModelMismatch, match=f"precision is {precision} here and fp32 in the model"):
        backbone_spec(tiny.load(device="cpu")).check(spec)


def test_too_few_images_prove_nothing(images: list[CatalogueImage]) -> None:
    """A catalogue of a few images can be built in any precision; no figure is made up for it."""
    exact: Backbone = tiny.load(device="cpu")
    assert prove(exact, images, silent) == (exact, None)
    if can_quantise(CPU):
        unproven = load_backbone("tiny", device="cpu", threads=2, precision="int8", building=True)
        assert prove(unproven, images[:6], silent)[1] is None
