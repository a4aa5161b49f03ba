"""Products of codes, in the arithmetic that this processor is fast in, and what they may be wrong by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.index.codes import Numbers, decoded

if TYPE_CHECKING:
    import torch

BFLOAT16_ROUNDING = 1.01 * 2.0**-9
"""A product in bfloat16 is summed in float32, and rounded to 8 bits at the end."""

_BLOCK_BYTES = 8 << 20
"""Of codes as float32, which stay in a processor's cache between decoding and multiplying."""

_FEW_QUERIES = 16


def bfloat16_is_fast() -> bool:
    """Say whether this processor multiplies bfloat16: without such instructions float32 is faster."""
    import torch

    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def bytes_are_fast() -> bool:
    """Say whether this processor multiplies bytes into 32 bits; older ones saturate at 16 bits, which is wrong."""
    import torch

    return torch.cpu._is_vnni_supported() or torch.cpu._is_amx_tile_supported()


def products(codes: Numbers, queries: Numbers) -> tuple[torch.Tensor, float]:
    """Return the products float32 (Q, N) of codes (N, D') and queries (Q, D'), without their scales.

    With them the share of each product that it may be wrong by, beyond what float32 is wrong by.
    """
    import torch

    if codes.dtype == np.int8 and bytes_are_fast():
        found = torch._int_mm(torch.from_numpy(codes), torch.from_numpy(queries).T)  # (N, Q)
        return found.T.to(torch.float32).contiguous(), 0.0
    if codes.dtype == np.uint16 and bfloat16_is_fast():
        held, asked = _tensor(codes), _tensor(queries)
        # Few queries are quicker as the left side; more, as the right one.
        found = asked @ held.T if len(queries) <= _FEW_QUERIES else (held @ asked.T).T
        return found.to(torch.float32).contiguous(), BFLOAT16_ROUNDING
    return _in_float32(_tensor(codes), torch.from_numpy(decoded(queries))), 0.0


def float_products(vectors: Features, queries: Features) -> torch.Tensor:
    """Return the products float32 (N, Q) of vectors (N, D) and queries (Q, D)."""
    import torch

    from songlens_workers.vision.forward.fused import has_onednn

    # One query takes as long as reading the vectors, which NumPy's product does at the memory's rate.
    if len(queries) == 1 or not has_onednn():
        return torch.from_numpy(np.matmul(vectors, queries.T, dtype=np.float32))
    return _linear(torch.from_numpy(vectors), torch.from_numpy(queries))


def _in_float32(codes: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Return the products float32 (Q, N) of codes (N, D') and float32 queries (Q, D'), decoded block by block."""
    import torch

    found = torch.empty(len(codes), len(queries))  # (N, Q)
    step = max(1, _BLOCK_BYTES // (4 * codes.shape[1]))
    room = torch.empty(min(step, len(codes)), codes.shape[1])
    for start in range(0, len(codes), step):
        block = codes[start : start + step]
        found[start : start + step] = _linear(room[: len(block)].copy_(block), queries)
    return found.T.contiguous()


def _linear(vectors: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    """Return float32 (N, Q) of float32 (N, D) and (Q, D); where there is oneDNN, by it, for torch's own is slower."""
    import torch

    from songlens_workers.vision.forward.fused import has_onednn

    if has_onednn():
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(vectors, queries, None, "none", [], "")
        return found
    return torch.nn.functional.linear(vectors, queries)


def _tensor(codes: Numbers) -> torch.Tensor:
    """Return int8, or the bfloat16 that the uint16 are the bits of, in the same memory."""
    import torch

    if codes.dtype == np.int8:
        return torch.from_numpy(codes)
    return torch.from_numpy(codes.view(np.int16)).view(torch.bfloat16)
