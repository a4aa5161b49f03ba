"""How many photos go through a network's convolutions at a time: as many bytes, whatever the precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from songlens_workers.vision.forward.sequence import SequenceExecutor
from songlens_workers.vision.preprocess import Pixels


@pytest.mark.parametrize(
    ("value_bytes", "threads", "expected"),
    [
        (4, 2, [1] * 9),
        (2, 2, [2, 2, 2, 2, 1]),
        (1, 2, [4, 4, 1]),
        (4, 8, [2, 2, 2, 2, 1]),
        (1, 8, [8, 1]),
    ],
)
def test_photos_at_a_time(value_bytes: int, threads: int, expected: list[int]) -> None:
    """Narrow values make room for more photos; many threads need several; every photo keeps its place."""
    taken: list[int] = []

    def entry(pixels: Pixels) -> Tensor:
        taken.append(len(pixels))
        return torch.from_numpy(pixels[:, 0, 0, :1].astype(np.float32))

    made = SequenceExecutor(
        precision="any", entry=entry, value_bytes=value_bytes, maps=[], connected=[], rest=nn.Identity()
    )
    photos = np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1).repeat(3, axis=3)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        features = made(photos)
    finally:
        torch.set_num_threads(before)
    assert taken == expected
    assert features[:, 0].tolist() == list(range(9))
