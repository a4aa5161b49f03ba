"""Every benchmark that `songlens bench` runs."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from songlens_benchmarks.row import Effort, Row

BENCHMARKS = {
    "machine": "what this machine can do at most: GEMM, memory, bytes through Redis",
    "batching": "how batches follow the time they take: throughput, latency, a device that changes (simulated)",
    "decode": "from a photo's bytes to pixels: photos a second on one thread, and how far the pixels differ",
    "codec": "messages to bytes and back",
    "functions": "calls of the queue's functions a second, alone and many at once",
    "footprint": "what a request, a reply, a model and a worker take of the server: memory, network, disk, time",
    "overhead": "queue and framework: requests a second with a simulated device, beside mosec and RQ",
    "scaling": "requests a second by workers and by partitions, and which part is busy at the limit",
    "watching": "what metrics cost: requests a second and processor time, with and without",
    "latency": "how long a photo takes at half load",
    "start": "seconds from the start of a worker to its first answer",
    "system": "the whole system, saturated, beside the bare forward loop",
    "batch": "a batch from submit to manifest, beside what the vision worker alone does with the same photos",
    "batch_plan": "planning a batch of a million photos: seconds, and peak memory",
    "search": "image search: exact paths beside FAISS, kinds of less memory, recall",
    "opening": "opening the index of a million images, by several workers",
    "gpu": "forward pass and search on a GPU, and what each part of it is worth; nothing where there is none",
    "forward": "VGG-19 on a CPU, alone: fp32, bf16, int8 beside GEMM; recall@5 of each",
    "forward_peers": "VGG-19 on a CPU beside torch.compile, onnxruntime and torchao's PT2E; recall@5 of their int8",
    "songs": "the song stage: requests ranked a second",
}
"""Name of the module, and what it measures; in the order in which they run."""


class Benchmark(Protocol):
    """What each module is."""

    def run(self, effort: Effort) -> Iterator[Row]:
        """Measure, and yield each row as soon as it is known."""


def benchmark(name: str) -> Benchmark:
    """Return the module."""
    return cast(Benchmark, import_module(f"songlens_benchmarks.{name}"))
