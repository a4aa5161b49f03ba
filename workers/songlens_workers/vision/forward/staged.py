"""An executor in pieces of fixed sizes, copied in and out beside the computation."""

from __future__ import annotations

import threading
from collections.abc import Callable

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.buckets import Piece, pieces
from songlens_workers.vision.forward.lanes import Lanes
from songlens_workers.vision.forward.program import EagerProgram, NormalisedNetwork, Program, Programs
from songlens_workers.vision.forward.staging import Staging
from songlens_workers.vision.preprocess import Pixels

LARGEST = 64
SPLIT_FROM = 32


class StagedExecutor:
    """An `Executor` for devices that work apart from the processor; on a CPU it is there to be tested.

    Memory is bounded by `largest`, whatever batches come. Threads take turns.
    """

    def __init__(
        self,
        network: NormalisedNetwork,
        lanes: Lanes,
        *,
        capture: Callable[[EagerProgram], Program] | None = None,
        largest: int = LARGEST,
        split_from: int = SPLIT_FROM,
    ) -> None:
        """`largest` is the most photos computed together, a power of two; `split_from`: see `pieces`.

        `capture` makes a program that runs sooner out of one that runs.
        """
        self.device = str(network.device)
        self.precision = network.precision
        self._largest = largest
        self._split_from = split_from
        self._lanes = lanes
        self._lock = threading.Lock()
        with lanes.on_device():
            self._programs = Programs(network, largest, capture)
            self._staging = Staging(
                lanes, rows=largest, side=network.side, dimensions=self._programs.dimensions, device=network.device
            )

    def __call__(self, pixels: Pixels) -> Features:
        """Return float32 (N, D) for uint8 (N, S, S, 3)."""
        with self._lock, self._lanes.on_device():
            return self._staging.run(
                pixels, [(piece, self._programs.of(piece.bucket)) for piece in self._cut(len(pixels))]
            )

    def warm_up(self, largest_batch: int) -> None:
        """Make the programs of batches up to `largest_batch` now, so that the first of each size need not wait."""
        used = {piece.bucket for count in range(1, largest_batch + 1) for piece in self._cut(count)}
        with self._lock, self._lanes.on_device():
            for bucket in sorted(used, reverse=True):  # the memory that the largest leaves is enough for all others
                self._programs.of(bucket)

    def _cut(self, count: int) -> list[Piece]:
        return pieces(count, largest=self._largest, split_from=self._split_from)
