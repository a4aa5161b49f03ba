"""What this machine can do at most: arithmetic, memory, and bytes through Redis."""

from __future__ import annotations

import ctypes
from typing import Literal

import numpy as np
import redis

from songlens_benchmarks.turns import rate
from songlens_workers.vision.cpus import available_cpus

GemmType = Literal["float32", "bfloat16"]
_PRECISIONS = {"float32": "fp32", "bfloat16": "bf16"}
_GEMM_SIZES = (1024, 2048, 4096)
_STREAM_BYTES = 256 << 20
_ENTRY_BYTES = 100_000
_ENTRIES = 64


def gemm_flops(dtype: GemmType = "float32", *, device: str = "cpu", seconds: float = 1.0) -> float:
    """Return the operations a second, two for each multiply-add, of the fastest square matrix product found here.

    Sizes of 1024 to 4096; on the CPU by torch, by oneDNN with packed weights and, in float32, by NumPy, for which of
    their libraries is fastest depends on the processor. Threads as torch has them set in this process. Of bfloat16 on a
    CPU only where `bfloat16_is_fast`: elsewhere it is no limit of anything, and oneDNN raises `RuntimeError`.
    """
    import torch

    from songlens_benchmarks.onednn import onednn_flops

    kind, best = getattr(torch, dtype), 0.0
    if device == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        best = onednn_flops(_PRECISIONS[dtype], seconds=seconds)
    for size in _GEMM_SIZES:
        left, right = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
        out = torch.empty_like(left)
        flop = 2 * size**3

        def by_torch(left: torch.Tensor = left, right: torch.Tensor = right, out: torch.Tensor = out) -> None:
            torch.mm(left, right, out=out)
            if out.is_cuda:
                torch.cuda.synchronize()

        best = max(best, rate(by_torch, flop, least_s=seconds))
        if device == "cpu" and dtype == "float32":
            pair = left.numpy(), right.numpy()
            best = max(best, rate(lambda pair=pair: np.matmul(*pair), flop, least_s=seconds))  # type: ignore[misc]
    return best


def read_bytes_per_s(*, seconds: float = 1.0) -> float:
    """Return the bytes a second that all threads together can read from memory: the sum over 256 MB a thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(available_cpus())
    try:
        matrix = torch.ones(_STREAM_BYTES // 4)
        return rate(matrix.sum, _STREAM_BYTES, least_s=seconds)
    finally:
        torch.set_num_threads(threads)


def copy_bytes_per_s(*, size_bytes: int = _ENTRY_BYTES, seconds: float = 0.5) -> float:
    """Return the bytes a second of a plain copy of so many bytes, by one thread: what any codec is bound by."""
    source, target = ctypes.create_string_buffer(size_bytes), ctypes.create_string_buffer(size_bytes)
    times = max(1, 10_000_000 // size_bytes)

    def work() -> None:
        for _ in range(times):
            ctypes.memmove(target, source, size_bytes)

    return rate(work, times * size_bytes, least_s=seconds)


def redis_bytes_per_s(connection: redis.Redis, *, entry_bytes: int = _ENTRY_BYTES, seconds: float = 1.0) -> float:
    """Return the payload bytes a second that one client can put into a stream, read again, and delete, pipelined."""
    stream, payload = "songlens-benchmark", b"x" * entry_bytes

    def work() -> None:
        pipeline = connection.pipeline(transaction=False)
        for _ in range(_ENTRIES):
            pipeline.xadd(stream, {"m": payload})
        ids = pipeline.execute()
        connection.xread({stream: "0"})
        connection.xdel(stream, *ids)

    try:
        return rate(work, _ENTRIES * entry_bytes, least_s=seconds)
    finally:
        connection.delete(stream)
