"""The benchmark of GPUs, where there is none."""

from __future__ import annotations

import pytest
import torch

from songlens_benchmarks import gpu, gpu_limits
from songlens_benchmarks.row import Effort


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_it_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """It yields no row, and what it says is no line of results."""
    assert list(gpu.run(Effort())) == []
    said = capfd.readouterr()
    assert "there is no GPU here" in said.err
    assert said.out == ""


def test_limits_are_measured_by_the_same_code_on_any_device() -> None:
    """Each is a rate above nothing."""
    device = torch.device("cpu")
    assert gpu_limits.matrix_flops(torch.float32, device, size=64, seconds=0) > 0
    assert gpu_limits.memory_bytes_per_s(device, size_bytes=1 << 16, seconds=0) > 0
    for inward in (True, False):
        assert gpu_limits.copy_bytes_per_s(device, inward=inward, size_bytes=1 << 16, seconds=0) > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_on_a_gpu_it_comes_to_its_end() -> None:
    """With a row for each batch and each part."""
    names = [row.what for row in gpu.run(Effort(rounds=1, quick=True))]
    assert "VGG-19 bf16, batch 8" in names
    assert "VGG-19 bf16, batch 8, without graphs" in names
