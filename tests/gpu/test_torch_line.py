"""LINE in batches on a real GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import TrainingProgress, train_embedding
from songlens_training.graph.graph import VertexType, build_graph

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]


def test_a_gpu_trains_as_the_processor_does() -> None:
    """Songs of one keyword lie together, on the device and from the loss alike, as after the compiled loop."""
    songs = {str(song): {str(song % 50): 1.0, f"common {song % 7}": 0.2} for song in range(5000)}
    graph = build_graph({VertexType.SONG: songs})

    def share_of_own_keyword(device: str) -> tuple[float, float]:
        reports: list[TrainingProgress] = []
        options = EmbeddingOptions(dimensions=32, samples=2_000_000, start="random", device=device)
        _, vectors = train_embedding(graph, options, reports.append).of_type(VertexType.SONG)
        distances = (vectors**2).sum(axis=1)[None] - 2 * vectors[:500] @ vectors.T
        nearest = np.argsort(distances, axis=1)[:, 1:11]
        own = np.array([int(key) % 50 for key in songs])
        return float((own[nearest] == own[:500, None]).mean()), reports[-1].loss

    on_gpu, on_processor = share_of_own_keyword("cuda"), share_of_own_keyword("cpu")
    assert on_gpu[0] >= 0.98
    assert on_gpu[1] == pytest.approx(on_processor[1], rel=0.1)
