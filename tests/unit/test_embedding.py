"""Training draws what it should, repeats bit for bit on one thread, and refuses what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError, DataError
from songlens_training.embedding.line_kernel import Block, draw_edges, draw_negatives, draw_walks
from songlens_training.embedding.options import EmbeddingOptions, Start, automatic_samples
from songlens_training.embedding.sampling import BALANCED, HPE, LINE, SAMPLINGS, SMORE, Noise, SamplingName
from songlens_training.embedding.tables import edge_tables, noise_tables
from songlens_training.embedding.train import TrainingProgress, train_embedding, unit_length
from songlens_training.graph.adjacency import adjacency
from songlens_training.graph.graph import Graph, Vertex, VertexType, build_graph
from songlens_training.jit import compiled

QUICK = EmbeddingOptions(dimensions=8, samples=20_000, threads=1)


@pytest.fixture
def graph() -> Graph:
    """Three songs and two images on three keywords, all weights unlike."""
    songs = {"s1": {"雪": 4.0, "山": 1.0}, "s2": {"山": 2.0, "海": 0.5}, "s3": {"海": 3.0}}
    return build_graph({VertexType.SONG: songs, VertexType.IMAGE: {"i1": {"雪": 1.0}, "i2": {"海": 1.5}}})


def draw(graph: Graph, options: EmbeddingOptions, count: int = 400_000) -> Block:
    """Draw `count` samples in one block."""
    degrees, sampling, state = graph.degrees(), options.sampling, np.array([7, 11], np.uint64)
    block = Block(np.empty(count, np.int32), np.empty((count, 1 + options.negatives), np.int32))
    edges = edge_tables(adjacency(graph), degrees, sampling)
    if sampling.walk_steps > 0:
        draw_walks(state, edges, block, sampling.walk_steps)
    else:
        draw_edges(state, edges, block)
    draw_negatives(state, noise_tables(graph.vertex_types, degrees, sampling.noise), block)
    return block


def frequencies(drawn: NDArray[np.int32], size: int) -> NDArray[np.float64]:
    return np.bincount(drawn.ravel(), minlength=size) / drawn.size


@pytest.mark.parametrize("power", [0.0, 0.75, 1.0])
def test_sources_are_drawn_by_a_power_of_their_degree(graph: Graph, power: float) -> None:
    """Frequencies of 400,000 draws are within 0.005 of degree^power."""
    drawn = draw(graph, replace(QUICK, sampling=replace(BALANCED, source_power=power))).sources
    expected = graph.degrees() ** power
    np.testing.assert_allclose(frequencies(drawn, len(expected)), expected / expected.sum(), atol=0.005)


def test_edges_are_drawn_by_weight_in_both_directions(graph: Graph) -> None:
    """LINE's sampling: an edge comes up in proportion to its weight, as often one way as the other."""
    drawn = pairs(draw(graph, replace(QUICK, sampling=LINE)), len(graph.vertices))
    expected = weight_matrix(graph)
    np.testing.assert_allclose(drawn, expected / expected.sum(), atol=0.005)


def test_smore_raises_every_distribution_to_three_quarters(graph: Graph) -> None:
    """SMORe's sampling: a source by degree^0.75, and then a neighbour by weight^0.75."""
    drawn = pairs(draw(graph, replace(QUICK, sampling=SMORE)), len(graph.vertices))
    matrix = weight_matrix(graph)
    sources = matrix.sum(axis=1) ** 0.75
    neighbours = matrix**0.75 / (matrix**0.75).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(drawn, sources[:, None] / sources.sum() * neighbours, atol=0.005)


def test_a_walk_teaches_its_source_everything_it_comes_to(graph: Graph) -> None:
    """Each walk is its source with the vertices of three steps along edges, and at last the first of them back."""
    block = draw(graph, replace(QUICK, sampling=replace(HPE, walk_steps=3)), 4000)
    joined = weight_matrix(graph) > 0
    targets = block.vertices[:, 0].reshape(-1, 4)  # (N, 4) of a walk: first, second, third step, and the source
    sources = block.sources.reshape(-1, 4)
    assert (sources[:, :3] == sources[:, :1]).all()
    assert joined[sources[:, 0], targets[:, 0]].all()
    assert joined[targets[:, 0], targets[:, 1]].all()
    assert joined[targets[:, 1], targets[:, 2]].all()
    assert (sources[:, 3] == targets[:, 0]).all()
    assert (targets[:, 3] == sources[:, 0]).all()


def pairs(block: Block, count: int) -> NDArray[np.float64]:
    """Return the share of each pair of source and target, (V, V)."""
    return frequencies(block.sources * np.int32(count) + block.vertices[:, 0], count * count).reshape(count, count)


def weight_matrix(graph: Graph) -> NDArray[np.float64]:
    """Return the summed weights of the edges between each two vertices, (V, V)."""
    matrix = np.zeros((len(graph.vertices),) * 2)
    np.add.at(matrix, (graph.sources, graph.targets), graph.weights)
    return matrix + matrix.T


def test_a_repeated_edge_is_drawn_like_one_of_the_summed_weight(graph: Graph) -> None:
    """The edge list of an undirected graph may hold each edge twice, once in either direction, as LINE's do."""
    twice = replace(
        graph,
        sources=np.concatenate([graph.sources, graph.targets[:2]]),
        targets=np.concatenate([graph.targets, graph.sources[:2]]),
        weights=np.concatenate([graph.weights, np.array([3, 1], np.float32)]),
    )
    drawn = pairs(draw(twice, replace(QUICK, sampling=LINE)), len(graph.vertices))
    expected = weight_matrix(twice)
    np.testing.assert_allclose(drawn, expected / expected.sum(), atol=0.005)


def test_an_isolated_vertex_is_never_drawn(graph: Graph) -> None:
    """Neither as a source, even where sources are drawn evenly, nor as a negative; and training leaves it finite."""
    lonely = replace(graph, vertices=[*graph.vertices, Vertex(VertexType.SONG, "lonely")])
    block = draw(lonely, replace(QUICK, sampling=replace(BALANCED, source_power=0.0)))
    assert len(graph.vertices) not in block.sources
    assert len(graph.vertices) not in block.vertices
    for start in ("propagated", "random"):
        assert np.isfinite(train_embedding(lonely, replace(QUICK, start=start)).vectors).all()


@pytest.mark.parametrize("noise", ["typed", "all"])
def test_negatives_are_drawn_by_degree_to_three_quarters(graph: Graph, noise: Noise) -> None:
    """Typed noise stays within the target's type; noise over all does not; both go by degree^0.75."""
    block = draw(graph, replace(QUICK, sampling=replace(BALANCED, noise=noise)))
    types = graph.vertex_types
    for_songs = block.vertices[types[block.vertices[:, 0]] == VertexType.SONG, 1:]
    expected = graph.degrees() ** 0.75
    if noise == "typed":
        expected[types != VertexType.SONG] = 0
    np.testing.assert_allclose(frequencies(for_songs, len(types)), expected / expected.sum(), atol=0.01)


@pytest.mark.parametrize("start", ["propagated", "random"])
@pytest.mark.parametrize(
    ("sampling", "order"), [("balanced", 2), ("balanced", 1), ("line", 2), ("line", 1), ("smore", 2), ("hpe", 2)]
)
def test_one_thread_repeats_bit_for_bit(graph: Graph, sampling: SamplingName, order: int, start: Start) -> None:
    """The same seed gives the same bytes; another seed does not."""
    options = replace(QUICK, sampling=SAMPLINGS[sampling], start=start, order=order)
    first, again = train_embedding(graph, options), train_embedding(graph, options)
    assert first.vectors.tobytes() == again.vectors.tobytes()
    assert first.contexts.tobytes() == again.contexts.tobytes()
    other = train_embedding(graph, replace(options, seed=2))
    assert first.vectors.tobytes() != other.vectors.tobytes()


def test_all_threads_give_finite_unit_vectors(graph: Graph) -> None:
    """Lock-free threads that write the same rows of a tiny graph leave no nonsense behind."""
    embedding = train_embedding(graph, replace(QUICK, threads=4))
    assert embedding.vectors.shape == embedding.contexts.shape == (8, 8)
    assert embedding.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedding.vectors, axis=1), 1, atol=1e-5)


def test_vectors_keep_their_length_when_asked(graph: Graph) -> None:
    """Normalising is the last step and nothing else: raw vectors have the same directions."""
    raw = train_embedding(graph, replace(QUICK, normalise=False)).vectors
    assert not np.allclose(np.linalg.norm(raw, axis=1), 1, atol=0.01)
    np.testing.assert_array_equal(unit_length(raw), train_embedding(graph, QUICK).vectors)


def test_first_order_joins_neighbours_and_second_order_those_with_alike_neighbours() -> None:
    """Of 12 keywords with two songs each: first order puts each song by its keyword, second order only by its mate."""
    songs = {f"s{number:02}": {f"k{number // 2:02}": 1.0} for number in range(24)}
    graph = build_graph({VertexType.SONG: songs})
    own = np.arange(24) // 2

    def share_at_their_keyword(order: int) -> float:
        options = EmbeddingOptions(dimensions=16, samples=300_000, threads=1, start="random", order=order)
        embedding = train_embedding(graph, options)
        assert embedding.contexts.shape == embedding.vectors.shape
        _, keywords = embedding.of_type(VertexType.KEYWORD)
        _, vectors = embedding.of_type(VertexType.SONG)
        mates = np.linalg.norm(vectors[::2] - vectors[1::2], axis=1)
        assert mates.max() < 0.1
        nearest = np.linalg.norm(vectors[:, None] - keywords[None], axis=2).argmin(axis=1)
        return float((nearest == own).mean())

    assert share_at_their_keyword(1) == 1.0
    assert share_at_their_keyword(2) < 0.5


def test_regularisation_shrinks_vectors(graph: Graph) -> None:
    """The same samples with regularisation end with shorter vectors."""
    options = replace(QUICK, normalise=False, samples=100_000, sampling=replace(HPE, regularisation=0.0))
    free = train_embedding(graph, options)
    held = train_embedding(graph, replace(options, sampling=replace(HPE, regularisation=0.2)))
    assert np.linalg.norm(held.vectors) < 0.9 * np.linalg.norm(free.vectors)


def test_progress_counts_every_sample_and_loss_falls(graph: Graph) -> None:
    """Reports rise to exactly the samples asked for, and the loss is lower at the end than at the start."""
    reports: list[TrainingProgress] = []
    train_embedding(graph, replace(QUICK, samples=20_001, start="random"), reports.append)
    done = [report.samples_done for report in reports]
    assert done == sorted(done)
    assert done[-1] == reports[-1].samples_total == 20_001
    assert all(report.samples_per_s > 0 for report in reports)
    assert np.mean([report.loss for report in reports[-5:]]) < np.mean([report.loss for report in reports[:5]])


def test_fewer_samples_than_rounds_and_threads(graph: Graph) -> None:
    """Three samples on four threads are three samples."""
    reports: list[TrainingProgress] = []
    train_embedding(graph, replace(QUICK, samples=3, threads=4), reports.append)
    assert reports[-1].samples_done == 3


def test_a_graph_of_one_edge_can_be_trained_on() -> None:
    """The smallest catalogue, where every negative is the target itself, ends with finite vectors."""
    graph = build_graph({VertexType.SONG: {"s": {"雪": 1.0}}})
    embedding = train_embedding(graph, QUICK)
    assert np.isfinite(embedding.vectors).all()
    assert np.isfinite(embedding.contexts).all()


def test_an_edge_with_bad_weight_is_refused_before_training(graph: Graph) -> None:
    """A graph made by hand is checked like any other."""
    with pytest.raises(DataError, match="not a number > 0"):
        train_embedding(replace(graph, weights=-graph.weights), QUICK)


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": 0},
        {"samples": 0},
        {"threads": 0},
        {"negatives": -1},
        {"learning_rate": -0.1},
        {"learning_rate": 1.0},
        {"order": 3},
        {"order": 1, "sampling": HPE},
        {"sampling": replace(BALANCED, noise="loud")},  # type: ignore[arg-type]
        {"sampling": replace(HPE, walk_steps=101)},
        {"sampling": replace(HPE, regularisation=1.0)},
        {"start": "late"},
        {"device": "tpu"},
        {"device": "cuda:99"},
    ],
)
def test_options_out_of_range_are_refused(graph: Graph, change: dict[str, object]) -> None:
    """Each option out of its range is a ConfigError."""
    with pytest.raises(ConfigError):
        train_embedding(graph, replace(QUICK, **change))  # type: ignore[arg-type]


def test_automatic_samples_grow_with_the_graph() -> None:
    """Twenty an edge, and never fewer than a small graph needs."""
    assert automatic_samples(253_699) == 5_073_980
    assert automatic_samples(1) == 1_000_000


def test_code_without_a_place_for_its_cache_still_compiles() -> None:
    """Where numba finds no folder to cache in (as for code that has no file), the function works uncached."""
    scope: dict[str, object] = {}
    exec("def double(x):\n    return 2 * x\n", scope)
    double = compiled(scope["double"])  # type: ignore[type-var]
    assert double(21) == 42  # type: ignore[operator]
