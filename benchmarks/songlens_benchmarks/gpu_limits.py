"""What a GPU can do at most: matrix products, its memory, and copies to and from it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from songlens_benchmarks.turns import rate

_LAUNCHES = 8
"""Between two looks at the clock, so that launching and waiting do not count."""


def matrix_flops(dtype: torch.dtype, device: torch.device, *, size: int = 8192, seconds: float = 1.0) -> float:
    """Return the operations a second, two for each multiply-add, of square matrix products."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)
    return _rate(lambda: torch.mm(left, right, out=out), 2 * size**3, device, seconds)


def memory_bytes_per_s(device: torch.device, *, size_bytes: int = 1 << 30, seconds: float = 1.0) -> float:
    """Return the bytes a second that a copy within its memory reads and writes."""
    source = torch.zeros(size_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return _rate(lambda: target.copy_(source), 2 * size_bytes, device, seconds)


def copy_bytes_per_s(device: torch.device, *, inward: bool, size_bytes: int = 64 << 20, seconds: float = 1.0) -> float:
    """Return the bytes a second of copies from pinned host memory, or to it."""
    host = torch.empty(size_bytes, dtype=torch.uint8, pin_memory=device.type == "cuda")
    there = torch.empty(size_bytes, dtype=torch.uint8, device=device)
    target, source = (there, host) if inward else (host, there)
    return _rate(lambda: target.copy_(source, non_blocking=True), size_bytes, device, seconds)


def _rate(work: Callable[[], object], items: int, device: torch.device, seconds: float) -> float:
    def several() -> None:
        for _ in range(_LAUNCHES):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return rate(several, _LAUNCHES * items, least_s=seconds)
