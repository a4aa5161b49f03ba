"""A batch on its way through a device: while one piece computes, the next is copied in and the last one out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from songlens_workers.vision.backbone import Features
from songlens_workers.vision.forward.buckets import Piece
from songlens_workers.vision.forward.lanes import Lanes, Mark
from songlens_workers.vision.forward.program import Program
from songlens_workers.vision.preprocess import Pixels

_SLOTS = 2


class Slot:
    """What one piece lies in, outside of a program: host and device memory, in and out.

    Host memory is pinned for a GPU: only then does a copy go on while others compute.
    """

    def __init__(self, rows: int, side: int, dimensions: int, device: torch.device) -> None:
        """Allocate; up to `rows` photos of `side` x `side` pixels, features of `dimensions`."""
        pinned = device.type == "cuda"
        photos, features = (rows, side, side, 3), (rows, dimensions)
        self.host_in = torch.empty(photos, dtype=torch.uint8, pin_memory=pinned)
        self.device_in = torch.empty(photos, dtype=torch.uint8, device=device)
        self.device_out = torch.empty(features, dtype=torch.float32, device=device)
        self.host_out = torch.empty(features, dtype=torch.float32, pin_memory=pinned)


@dataclass(frozen=True)
class _Flight:
    piece: Piece
    slot: Slot
    done: Mark


class Staging:
    """Takes batches through a device, two pieces at a time. One batch at a time: its slots are all there are.

    What an error leaves under way disturbs no later batch, for each lane keeps its order.
    """

    def __init__(self, lanes: Lanes, *, rows: int, side: int, dimensions: int, device: torch.device) -> None:
        self._lanes = lanes
        self._dimensions = dimensions
        self._slots = [Slot(rows, side, dimensions, device) for _ in range(_SLOTS)]

    def run(self, pixels: Pixels, pieces: Sequence[tuple[Piece, Program]]) -> Features:
        """Return float32 (N, D), in memory of its own, for uint8 (N, S, S, 3), each piece by its program."""
        features = np.empty((len(pixels), self._dimensions), np.float32)
        under_way: deque[_Flight] = deque()
        for number, (piece, program) in enumerate(pieces):
            if len(under_way) == _SLOTS:
                _land(under_way.popleft(), features)
            under_way.append(self._launch(pixels, piece, self._slots[number % _SLOTS], program))
        while under_way:
            _land(under_way.popleft(), features)
        return features

    def _launch(self, pixels: Pixels, piece: Piece, slot: Slot, program: Program) -> _Flight:
        count, lanes = piece.count, self._lanes
        np.copyto(slot.host_in.numpy()[:count], pixels[piece.start : piece.stop])

        def copy_in() -> None:
            slot.device_in[:count].copy_(slot.host_in[:count], non_blocking=True)

        def compute() -> None:
            program.input[:count].copy_(slot.device_in[:count])
            program.run()
            slot.device_out[:count].copy_(program.output[:count])

        def copy_out() -> None:
            slot.host_out[:count].copy_(slot.device_out[:count], non_blocking=True)

        lanes.inward.run(copy_in)
        lanes.compute.wait_for(lanes.inward.mark())
        lanes.compute.run(compute)
        lanes.outward.wait_for(lanes.compute.mark())
        lanes.outward.run(copy_out)
        return _Flight(piece, slot, lanes.outward.mark())


def _land(flight: _Flight, features: Features) -> None:
    """Wait for a piece, and take its features out of the slot that the next one will use."""
    flight.done.wait()
    piece = flight.piece
    features[piece.start : piece.stop] = flight.slot.host_out.numpy()[: piece.count]
