"""Products of codes, in the arithmetic that this processor is fast in, and what they may be wrong by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from songlens_workers.vision.index.codes import Numbers, decoded

if TYPE_CHECKING:
    import torch

BFLOAT16_ROUNDING = 1.01 * 2.0**-9
"""A product in bfloat16 is summed in float32, and rounded to 8 bits at the end."""

_BLOCK_CODES = 4096
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
        held, asked = (torch.from_numpy(part.view(np.int16)).view(torch.bfloat16) for part in (codes, queries))
        # Few queries are quicker as the left side; more, as the right one.
        found = asked @ held.T if len(queries) <= _FEW_QUERIES else (held @ asked.T).T
        return found.to(torch.float32).contiguous(), BFLOAT16_ROUNDING
    return _in_float32(codes, decoded(queries)), 0.0


def _in_float32(codes: Numbers, queries: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> torch.Tensor:
    import torch

    found = np.empty((len(queries), len(codes)), np.float32)
    for start in range(0, len(codes), _BLOCK_CODES):
        block = slice(start, start + _BLOCK_CODES)
        found[:, block] = queries @ decoded(codes[block]).T
    return torch.from_numpy(found)
