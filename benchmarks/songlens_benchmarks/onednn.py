"""The fastest matrix products of the CPU here, by the library that also runs the convolutions."""

from __future__ import annotations

import torch

from songlens_benchmarks.turns import rate

_SIZES = (1024, 2048)


def onednn_flops(precision: str, *, seconds: float = 0.5) -> float:
    """Return the operations a second, two for each multiply-add, of the fastest square product of packed weights.

    fp32 anywhere; bf16 and int8 only where the processor has instructions for them (`can_fuse`, `can_quantise`).
    """
    with torch.inference_mode():
        return max(_rate(precision, size, seconds) for size in _SIZES)


def _rate(precision: str, size: int, seconds: float) -> float:
    if precision == "int8":
        values = torch.randint(0, 255, (size, size), dtype=torch.uint8)
        packed = torch.ops.onednn.qlinear_prepack(torch.randint(-127, 127, (size, size), dtype=torch.int8), None)
        levels, zeros = torch.ones(size), torch.zeros(size, dtype=torch.int32)

        def product() -> None:
            torch.ops.onednn.qlinear_pointwise(
                *(values, 1.0, 0), *(packed, levels, zeros, None), *(1.0, 0, torch.uint8), "none", [], ""
            )

    else:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        left = torch.randn(size, size, dtype=dtype)
        right = torch.ops.mkldnn._reorder_linear_weight(torch.randn(size, size, dtype=dtype), size)

        def product() -> None:
            torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")

    return rate(product, 2 * size**3, least_s=seconds)
