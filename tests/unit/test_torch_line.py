"""Batches of tensors draw, train, repeat and resume as the compiled loop does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from songlens_training.embedding.checkpoint import Checkpointing
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.sampling import BALANCED, HPE, LINE, SMORE, Sampling
from songlens_training.embedding.torch_line import MAX_BATCH, TorchLine
from songlens_training.embedding.train import GPU_EDGES, TrainingProgress, chosen_device, train_with
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, Vertex, VertexType, build_graph

QUICK = EmbeddingOptions(dimensions=8, samples=20_000, threads=1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of torch that wait for one another on a busy machine take minutes for these small tensors."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def graph() -> Graph:
    """Three songs and two images on three keywords, all weights unlike, and a vertex without an edge."""
    songs = {"s1": {"雪": 4.0, "山": 1.0}, "s2": {"山": 2.0, "海": 0.5}, "s3": {"海": 3.0}}
    graph = build_graph({VertexType.SONG: songs, VertexType.IMAGE: {"i1": {"雪": 1.0}, "i2": {"海": 1.5}}})
    return replace(graph, vertices=[*graph.vertices, Vertex(VertexType.SONG, "lonely")])


def train(graph: Graph, options: EmbeddingOptions, **others: Any) -> Embedding:
    return train_with(TorchLine(graph, options, "cpu", threads=1), graph, options, **others)


def weight_matrix(graph: Graph) -> NDArray[np.float64]:
    """Return the weights of the edges, (V, V)."""
    matrix = np.zeros((len(graph.vertices),) * 2)
    matrix[graph.sources, graph.targets] = matrix[graph.targets, graph.sources] = graph.weights
    return matrix


@pytest.mark.parametrize("sampling", [BALANCED, LINE, SMORE], ids=["balanced", "line", "smore"])
def test_edges_and_negatives_are_drawn_as_asked(graph: Graph, sampling: Sampling) -> None:
    """400,000 samples have the frequencies of the powers and the noise, within 0.005."""
    trainer = TorchLine(graph, replace(QUICK, sampling=sampling), "cpu", threads=1)
    trainer.start()
    sources, vertices = trainer._draw(400_000)
    count, matrix = len(graph.vertices), weight_matrix(graph)
    degrees = matrix.sum(axis=1)
    chances = degrees**sampling.source_power / (degrees**sampling.source_power).sum()
    neighbours = matrix**sampling.neighbour_power * (matrix > 0)
    neighbours /= np.maximum(neighbours.sum(axis=1, keepdims=True), 1e-12)
    pairs = np.bincount((sources * count + vertices[:, 0]).numpy(), minlength=count**2) / len(sources)
    np.testing.assert_allclose(pairs.reshape(count, count), chances[:, None] * neighbours, atol=0.005)

    types = torch.from_numpy(graph.vertex_types)
    drawn = vertices[types[vertices[:, 0]] == VertexType.SONG, 1:].flatten()
    expected = degrees**0.75 * ((types.numpy() == VertexType.SONG) | (sampling.noise == "all"))
    np.testing.assert_allclose(np.bincount(drawn, minlength=count) / len(drawn), expected / expected.sum(), atol=0.005)


def test_walks_go_along_edges(graph: Graph) -> None:
    """A walk is its source with each vertex of three steps, and at last the first of them back, also when cut short."""
    trainer = TorchLine(graph, replace(QUICK, sampling=replace(HPE, walk_steps=3)), "cpu", threads=1)
    trainer.start()
    sources, vertices = (drawn.numpy() for drawn in trainer._draw(4001))
    assert len(sources) == len(vertices) == 4001
    of_walk, joined = sources[:4000].reshape(-1, 4), weight_matrix(graph) > 0
    targets = vertices[:4000, 0].reshape(-1, 4)  # (N, 4): first, second, third step, and the source
    assert joined[of_walk[:, 0], targets[:, 0]].all()
    assert joined[targets[:, 0], targets[:, 1]].all()
    assert joined[targets[:, 1], targets[:, 2]].all()
    assert (targets[:, 3] == of_walk[:, 0]).all()
    assert (of_walk[:, 3] == targets[:, 0]).all()


def test_a_step_is_the_gradient_of_the_loss(graph: Graph) -> None:
    """One sample moves vector and contexts as autograd says the loss of equation 7 falls."""
    options = replace(QUICK, start="random", negatives=2)
    trainer = TorchLine(graph, options, "cpu", threads=1)
    trainer.start()
    vectors, contexts = (torch.randn(len(graph.vertices), 8, generator=torch.manual_seed(3)) for _ in range(2))
    trainer._place(vectors.clone().numpy(), contexts.clone().numpy())
    source, vertices = torch.tensor([4]), torch.tensor([[0, 1, 2]])
    loss = trainer._step(source, vertices, rate=0.1)

    vectors.requires_grad_()
    contexts.requires_grad_()
    scores = contexts[vertices[0]] @ vectors[4] * torch.tensor([1.0, -1.0, -1.0])
    expected = -torch.nn.functional.logsigmoid(scores).sum()
    expected.backward()  # type: ignore[no-untyped-call]
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert vectors.grad is not None
    assert contexts.grad is not None
    np.testing.assert_allclose(trainer.vectors, (vectors - 0.1 * vectors.grad).detach(), atol=1e-5)
    np.testing.assert_allclose(trainer.contexts, (contexts - 0.1 * contexts.grad).detach(), atol=1e-5)


@pytest.mark.parametrize("change", [{}, {"order": 1}, {"sampling": HPE, "start": "random"}], ids=str)
def test_the_same_seed_repeats_and_resumes_bit_for_bit(graph: Graph, tmp_path: Path, change: dict[str, Any]) -> None:
    """Two runs, and one that was cut off and resumed, come to the same bytes; another seed does not."""
    options = replace(QUICK, **change)
    whole = train(graph, options)
    assert np.isfinite(whole.vectors).all()
    assert train(graph, options).vectors.tobytes() == whole.vectors.tobytes()
    assert train(graph, replace(options, seed=2)).vectors.tobytes() != whole.vectors.tobytes()

    class Cut(Exception):
        pass

    def cut(at: TrainingProgress) -> None:
        if at.samples_done > 8000:
            raise Cut

    saved = Checkpointing(path=tmp_path / "ne.checkpoint", every_s=0)
    with pytest.raises(Cut):
        train(graph, options, progress=cut, checkpointing=saved)
    resumed = train(graph, options, checkpointing=replace(saved, resume=True))
    assert resumed.vectors.tobytes() == whole.vectors.tobytes()
    assert resumed.contexts.tobytes() == whole.contexts.tobytes()


def test_the_batch_is_smaller_where_few_vertices_are_drawn_often() -> None:
    """Of two keywords each batch would hold ten thousands; of a thousand, each a few hundred at most."""
    hubs = build_graph({VertexType.SONG: {str(song): {str(song % 2): 1.0} for song in range(1000)}})
    even = build_graph({VertexType.SONG: {str(song): {str(song): 1.0} for song in range(1000)}})
    sizes = []
    for graph in (hubs, even):
        trainer = TorchLine(graph, QUICK, "cpu", threads=1)
        trainer.start()
        sizes.append(trainer._batch)
    assert sizes[0] < 1000 < sizes[1] <= MAX_BATCH


def test_small_graphs_stay_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is chosen by itself only from 100 million edges on, and only where there is one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert chosen_device("auto", GPU_EDGES - 1) == "cpu"
    assert chosen_device("auto", GPU_EDGES) == "cuda"
    assert chosen_device("cpu", GPU_EDGES) == "cpu"
    assert chosen_device("cuda:1", 1) == "cuda:1"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device("auto", GPU_EDGES) == "cpu"
