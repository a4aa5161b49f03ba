"""New vertices get the vectors that training would have given them, as near as fixed contexts allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from songlens_training.embedding.contexts import OTHER_NEGATIVES, Contexts, kept_contexts
from songlens_training.embedding.fold_in import PRIOR, Reduced, attraction, fold_in
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.placement import MIX, find_peers, place
from songlens_training.embedding.profiles import Profiles
from songlens_training.embedding.sampling import BALANCED, LINE
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import VertexType, build_graph

WORDS = [f"w{number}" for number in range(12)]
Bags = list[dict[str, float]]


def some_contexts(*, normalise: bool = True, neighbour_power: float = 1.0) -> Contexts:
    random = np.random.default_rng(3)
    noise = random.random(len(WORDS))
    return Contexts(
        words=WORDS,
        vectors=random.standard_normal((len(WORDS), 16)).astype(np.float32),
        noise=noise / noise.sum(),
        negatives=5,
        neighbour_power=neighbour_power,
        normalise=normalise,
    )


def some_bags(count: int, seed: int) -> Bags:
    random = np.random.default_rng(seed)
    return [
        {
            str(word): float(random.uniform(0.1, 5))
            for word in random.choice(WORDS, random.integers(1, 5), replace=False)
        }
        for _ in range(count)
    ]


def expected_loss(contexts: Contexts, bag: dict[str, float], vector: NDArray[np.float64]) -> float:
    """The loss of a training sample of one vertex, taken over every target and every negative that may be drawn."""
    drawn = {word: weight**contexts.neighbour_power for word, weight in bag.items()}
    score = dict(zip(WORDS, contexts.vectors.astype(np.float64) @ vector, strict=True))
    loss = 0.0
    for target, weight in drawn.items():
        chance = weight / sum(drawn.values())
        loss += chance * np.logaddexp(0, -score[target])
        for negative, noise in zip(WORDS, contexts.noise, strict=True):
            if negative != target:
                loss += chance * contexts.negatives * noise * np.logaddexp(0, score[negative])
    return float(loss)


@pytest.mark.parametrize("neighbour_power", [1.0, 0.75, 0.0])
def test_fold_in_is_the_minimum_of_the_expected_loss(neighbour_power: float) -> None:
    """At the folded-in vector the gradient of expected loss and prior, found numerically, is zero; and elsewhere, near
    and far, the loss is greater."""
    contexts = some_contexts(neighbour_power=neighbour_power)
    bags = some_bags(5, seed=1)
    random = np.random.default_rng(2)
    step = 1e-4
    for bag, folded in zip(bags, fold_in(contexts, Profiles.of(bags, WORDS)), strict=True):

        def loss(vector: NDArray[np.float64], bag: dict[str, float] = bag) -> float:
            return expected_loss(contexts, bag, vector) + PRIOR / 2 * float(vector @ vector)

        for axis in np.eye(len(folded)):
            assert abs(loss(folded + step * axis) - loss(folded - step * axis)) / (2 * step) < 1e-6
        for distance in (0.01, 1.0, 100.0):
            assert loss(folded + distance * random.standard_normal(len(folded))) > loss(folded)


def test_derivatives_are_those_of_the_objective() -> None:
    """Gradient and second derivatives, by which the minimum is found, agree with finite differences."""
    contexts, vertices = some_contexts(), Profiles.of(some_bags(1, seed=7), WORDS)
    objective = Reduced(contexts.vectors.astype(np.float64), contexts.negatives * contexts.noise)
    shares = attraction(contexts, vertices)
    vector = np.random.default_rng(4).standard_normal((1, 16))
    step = 1e-5
    for number, axis in enumerate(np.eye(16)):
        ahead, behind = vector + step * axis, vector - step * axis
        slope = (objective.value(shares, ahead) - objective.value(shares, behind)) / (2 * step)
        assert objective.gradient(shares, vector)[0, number] == pytest.approx(slope[0], abs=1e-6)
        bend = (objective.gradient(shares, ahead) - objective.gradient(shares, behind)) / (2 * step)
        np.testing.assert_allclose(objective.hessian(shares, vector)[0, number], bend[0], atol=1e-6)


def test_contexts_of_any_length_have_a_minimum() -> None:
    """Steps that overshoot are halved: it is found for contexts a thousand times as long, and for tiny ones."""
    for scale in (1e-3, 1e3):
        contexts = some_contexts()
        contexts = replace(contexts, vectors=np.float32(scale) * contexts.vectors)
        vertices = Profiles.of(some_bags(30, seed=1), WORDS)
        objective = Reduced(contexts.vectors.astype(np.float64), contexts.negatives * contexts.noise)
        gradients = objective.gradient(attraction(contexts, vertices), fold_in(contexts, vertices))
        assert np.linalg.norm(gradients, axis=1).max() < 1e-4


def test_attraction_is_the_chance_to_be_drawn() -> None:
    """p(k | s) is in proportion to weight^power, 0 for keywords that the vertex lacks, and sums to 1."""
    vertices = Profiles.of([{"w1": 1.0, "w3": 16.0}], WORDS)
    shares = attraction(some_contexts(neighbour_power=0.75), vertices)
    assert shares[0, [1, 3]].tolist() == pytest.approx([1 / 9, 8 / 9])
    assert shares.sum() == pytest.approx(1)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many vertices are folded in at once, each gets the same vector."""
    contexts, vertices = some_contexts(), Profiles.of(some_bags(50, seed=2), WORDS)
    at_once = fold_in(contexts, vertices)
    monkeypatch.setattr("songlens_training.embedding.fold_in._BLOCK_NUMBERS", 1000)
    np.testing.assert_allclose(fold_in(contexts, vertices), at_once, atol=1e-9)


def placed(contexts: Contexts, ids: list[str], bags: Bags) -> NDArray[np.float32]:
    trained = Profiles.of(some_bags(200, seed=5), WORDS)
    vectors = np.random.default_rng(6).standard_normal((200, 16)).astype(np.float32)
    return place(contexts, ids, Profiles.of(bags, WORDS), trained, vectors)


def test_placing_is_repeatable_and_knows_no_order() -> None:
    """The same vertices get the same vectors again, and each its own in whatever order they come."""
    ids, bags = [f"s{number}" for number in range(40)], some_bags(40, seed=4)
    first = placed(some_contexts(), ids, bags)
    assert (placed(some_contexts(), ids, bags) == first).all()
    assert first.dtype == np.float32
    order = np.random.default_rng(1).permutation(40)
    shuffled = placed(some_contexts(), [ids[row] for row in order], [bags[row] for row in order])
    np.testing.assert_allclose(shuffled, first[order], atol=1e-6)


def test_vectors_have_the_length_that_training_gives() -> None:
    """Length 1 where the base was trained so, else whatever comes."""
    ids, bags = [f"s{number}" for number in range(40)], some_bags(40, seed=4)
    lengths = np.linalg.norm(placed(some_contexts(), ids, bags), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    assert np.linalg.norm(placed(some_contexts(normalise=False), ids, bags), axis=1).std() > 0.1


def test_the_mix_of_peers_keeps_mean_and_spread() -> None:
    """Its shares sum to 1, and so do their squares: neither the mean of the offsets changes nor their variance."""
    assert sum(MIX) == pytest.approx(1)
    assert sum(share**2 for share in MIX) == pytest.approx(1)
    random = np.random.default_rng(2)
    offsets = 3 + 2 * random.standard_normal((20_000, 3))
    mixed = offsets @ MIX
    assert mixed.mean() == pytest.approx(3, abs=0.1)
    assert mixed.std() == pytest.approx(2, abs=0.1)


def cosine(one: dict[str, float], other: dict[str, float]) -> float:
    product = sum(weight * other.get(word, 0.0) for word, weight in one.items())
    return product / float(np.linalg.norm(list(one.values())) * np.linalg.norm(list(other.values())))


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_peers_are_the_most_alike(new_seed: int, trained_seed: int) -> None:
    """No other trained vertex has a greater cosine than the three peers, and they come the most alike first."""
    (new,), trained = some_bags(1, new_seed), some_bags(30, trained_seed)
    ((peers,), (shares,)) = find_peers(["x"], Profiles.of([new], WORDS), Profiles.of(trained, WORDS))
    likeness = [cosine(new, bag) for bag in trained]
    if min(sorted(likeness)[-3:]) > 0:
        assert shares.tolist() == list(MIX)
        assert len(set(peers.tolist())) == 3
        assert [likeness[peer] for peer in peers] == pytest.approx(sorted(likeness, reverse=True)[:3], abs=2e-6)


def test_equals_get_different_peers() -> None:
    """Vertices with the very same keywords are scattered as their peers are, instead of lying on one spot."""
    alike: Bags = [{"w1": 1.0}] * 40
    trained = Profiles.of([{"w1": 2.0}] * 30 + [{"w2": 1.0}] * 30, WORDS)
    ids = [f"s{number}" for number in range(40)]
    peers, _ = find_peers(ids, Profiles.of(alike, WORDS), trained)
    assert peers.max() < 30
    assert len({tuple(row) for row in peers.tolist()}) > 35


def test_with_fewer_alike_the_nearest_is_the_only_peer() -> None:
    """Where fewer than three trained vertices share a keyword one of them is the peer, and where none does there is
    none: the vertex stays where it was folded in."""
    contexts = some_contexts()
    trained = Profiles.of([{"w1": 1.0}, {"w1": 1.0, "w2": 1.0}, {"w3": 1.0}], WORDS)
    new = Profiles.of([{"w1": 3.0}, {"w5": 1.0}], WORDS)
    peers, shares = find_peers(["a", "b"], new, trained)
    assert (peers[0, 0], shares.tolist()) == (0, [[1, 0, 0], [0, 0, 0]])
    vectors = np.eye(3, 16, dtype=np.float32)
    near, alone = place(contexts, ["a", "b"], new, trained, vectors)
    np.testing.assert_allclose(near, vectors[0], atol=1e-6)
    folded = fold_in(contexts, new)[1]
    np.testing.assert_allclose(alone, folded / np.linalg.norm(folded), atol=1e-6)


def test_profiles_are_read_back_row_by_row() -> None:
    """Rows can be taken in any order and any number of times, and spelled out."""
    bags: Bags = [{"w0": 1.0, "w2": 2.0}, {"w5": 3.0}, {"w1": 4.0}]
    profiles = Profiles.of(bags, WORDS)
    assert profiles.keyword_lists(WORDS) == [["w0", "w2"], ["w5"], ["w1"]]
    chosen = profiles.rows(np.array([2, 0, 2]))
    assert chosen.keyword_lists(WORDS) == [["w1"], ["w0", "w2"], ["w1"]]
    assert chosen.weights.tolist() == [4.0, 1.0, 2.0, 4.0]
    assert len(profiles.rows(np.array([], np.int64))) == 0
    dense = profiles.dense(len(WORDS))
    assert dense[0, [0, 2]].tolist() == [1.0, 2.0]
    assert (dense > 0).sum() == 4


def test_likeness_needs_no_scale() -> None:
    """Weights in another unit make the same peers."""
    new, trained = some_bags(20, seed=8), some_bags(50, seed=9)
    ids = [f"s{number}" for number in range(20)]
    tenfold = [{word: 10 * weight for word, weight in bag.items()} for bag in new]
    expected, _ = find_peers(ids, Profiles.of(new, WORDS), Profiles.of(trained, WORDS))
    found, _ = find_peers(ids, Profiles.of(tenfold, WORDS), Profiles.of(trained, WORDS))
    assert (found == expected).all()


def test_noise_pushes_away() -> None:
    """Without negatives a vertex lies along its keywords' contexts; a keyword that is drawn as a negative repels it."""
    contexts = some_contexts()
    vertices = Profiles.of([{"w1": 1.0}], WORDS)
    (drawn,) = fold_in(replace(contexts, negatives=0), vertices)
    direction = contexts.vectors[1] / np.linalg.norm(contexts.vectors[1])
    np.testing.assert_allclose(drawn / np.linalg.norm(drawn), direction, atol=1e-6)
    loud = np.where(np.arange(len(WORDS)) == 7, 1.0, 0.0)
    (pushed,) = fold_in(replace(contexts, noise=loud), vertices)
    assert contexts.vectors[7] @ pushed < min(0.0, contexts.vectors[7] @ drawn)


def test_contexts_are_kept_with_their_chances() -> None:
    """Of keywords in the graph's order, each drawn by degree^0.75; where negatives are drawn from all vertices, 64
    others stand for the rest, drawn by the same chance, and each of them has its even share of what is left."""
    bags = {f"s{number}": bag for number, bag in enumerate(some_bags(300, seed=3))}
    graph = build_graph({VertexType.SONG: bags, VertexType.IMAGE: {"i": {"w1": 1.0}}})
    count = len(graph.vertices)
    embedding = Embedding(
        vertices=graph.vertices,
        vectors=np.zeros((count, 1), np.float32),
        contexts=np.arange(count, dtype=np.float32)[:, None],
    )
    typed = kept_contexts(embedding, graph, EmbeddingOptions(sampling=BALANCED))
    assert typed.words == [vertex.key for vertex in graph.vertices if vertex.type is VertexType.KEYWORD]
    assert [graph.vertices[int(row)].key for row in typed.vectors[:, 0]] == typed.words
    drawn = graph.degrees() ** 0.75
    np.testing.assert_allclose(typed.noise, drawn[typed.vectors[:, 0].astype(int)] / drawn[: len(WORDS)].sum())
    every = kept_contexts(embedding, graph, EmbeddingOptions(sampling=LINE))
    assert len(every.vectors) == len(every.noise) == len(WORDS) + OTHER_NEGATIVES
    assert all(graph.vertices[int(row)].type is not VertexType.KEYWORD for row in every.vectors[len(WORDS) :, 0])
    np.testing.assert_allclose(every.noise[: len(WORDS)], (drawn / drawn.sum())[: len(WORDS)])
    assert every.noise.sum() == pytest.approx(1)


def test_vertices_that_are_only_negatives_repel() -> None:
    """A context after those of the keywords is no neighbour of anything, but takes its part as a negative."""
    contexts = some_contexts()
    more = np.concatenate([contexts.vectors, np.ones((1, 16), np.float32)])
    crowded = replace(contexts, vectors=more, noise=np.append(contexts.noise / 2, 0.5))
    vertices = Profiles.of(some_bags(5, seed=1), WORDS)
    assert attraction(crowded, vertices)[:, -1].tolist() == [0.0] * 5
    assert (fold_in(crowded, vertices) @ more[-1] < fold_in(contexts, vertices) @ more[-1]).all()
