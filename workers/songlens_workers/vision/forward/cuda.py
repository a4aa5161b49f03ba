"""The network on an NVIDIA GPU: one captured graph for each bucket, copies on streams of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import torch
from torch import nn

from songlens_workers.vision.forward.fused_convolutions import by_cudnn, fuse
from songlens_workers.vision.forward.lanes import Lanes, Mark
from songlens_workers.vision.forward.plain_network import PlainNetwork
from songlens_workers.vision.forward.program import EagerProgram, NormalisedNetwork, Program
from songlens_workers.vision.forward.staged import LARGEST, SPLIT_FROM, StagedExecutor
from songlens_workers.vision.preprocess import Preprocessing

# Before a capture torch and cuDNN allocate, choose algorithms and load kernels: none of it may happen in one.
_RUNS_BEFORE_CAPTURE = 3
# Of a feature vector's length: rounding in 16 bits through nineteen layers comes to a few thousandths.
_FUSING_TOLERANCE = 0.05

_log = structlog.get_logger()


class CudaLane:
    """A `Lane` that is a CUDA stream."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run(self, work: Callable[[], None]) -> None:
        """Queue work; what it allocates belongs to this stream."""
        with torch.cuda.stream(self.stream):
            work()

    def mark(self) -> Mark:
        """Return the place after what has been queued so far."""
        # Blocking: who waits sleeps, and leaves the processor to the threads that decode.
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(self.stream)
        return _CudaMark(event)

    def wait_for(self, mark: Mark) -> None:
        """Hold back what is queued from now on until a place in another stream has been passed."""
        if not isinstance(mark, _CudaMark):
            raise TypeError("a stream can only wait for a place in another stream")
        self.stream.wait_event(mark.event)


class _CudaMark:
    def __init__(self, event: torch.cuda.Event) -> None:
        self.event = event

    def wait(self) -> None:
        """Return when the stream has passed it."""
        self.event.synchronize()


class GraphCapture:
    """Makes a program one graph: a single launch from the host, whatever the number of its kernels.

    All graphs take their memory from one pool. That is right because they run one after the other, and because nothing
    of one graph's is used once it has run: its input and output are no memory of the pool.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        """Graphs are captured on the stream that they will run on."""
        self._stream = stream
        self._pool: Any = None

    def __call__(self, program: EagerProgram) -> Program:
        """Return the graph of a program. Raises `RuntimeError` where something in it cannot be captured."""
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        with _searching_algorithms(), torch.cuda.stream(self._stream):
            for _ in range(_RUNS_BEFORE_CAPTURE):
                program.run()
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # thread_local: other threads may use the GPU meanwhile, as the one that loads the next model version does.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                program.run()
        return _GraphProgram(graph, program)


class _GraphProgram:
    def __init__(self, graph: torch.cuda.CUDAGraph, program: EagerProgram) -> None:
        self.input = program.input
        self.output = program.output
        self._graph = graph
        self._program = program  # the graph reads the network's weights, and does not keep them

    def run(self) -> None:
        """Launch the graph on the current stream."""
        self._graph.replay()


@contextmanager
def _searching_algorithms() -> Iterator[None]:
    """Let cuDNN time its algorithms and keep the fastest for each shape; a graph keeps it for good."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def cuda_executor(
    network: nn.Module,
    preprocessing: Preprocessing,
    device: torch.device,
    precision: str = "fp32",
    *,
    graphs: bool = True,
    fused: bool = True,
    largest: int = LARGEST,
    split_from: int = SPLIT_FROM,
) -> StagedExecutor:
    """Return the executor of a network on a GPU, in one of `PRECISIONS`. The network is taken over.

    `graphs` and `fused` are there to be measured; without them kernels are launched one by one, as torch has them.
    """
    device = torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
    compute = CudaLane(device)
    lanes = Lanes(
        inward=CudaLane(device), compute=compute, outward=CudaLane(device), on_device=lambda: torch.cuda.device(device)
    )
    with torch.cuda.device(device):
        placed = NormalisedNetwork(network, preprocessing, device, precision)
        if fused and precision != "fp32" and isinstance(placed.network, PlainNetwork):
            _fuse(placed, placed.network)
        executor = StagedExecutor(
            placed,
            lanes,
            capture=GraphCapture(compute.stream) if graphs else None,
            largest=largest,
            split_from=split_from,
        )
        torch.cuda.synchronize()  # buffers were filled on another stream
    return executor


def _fuse(placed: NormalisedNetwork, network: PlainNetwork) -> None:
    generator = torch.Generator().manual_seed(1)
    photos = torch.randint(0, 256, (2, placed.side, placed.side, 3), dtype=torch.uint8, generator=generator)
    photos = photos.to(placed.device)
    if not fuse(network, lambda: placed(photos), by_cudnn, tolerance=_FUSING_TOLERANCE):
        _log.warning("convolutions_not_fused", precision=placed.precision)
