"""Nearest songs, and which of them are picked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from songlens_workers.songs.ranker import Blends, Exact, Pick, Positions, SongRanker, Vectors, pick


def brute_force(songs: Vectors, images: Vectors, k: int) -> tuple[Vectors, Positions]:
    """Measure every song in float64 and sort them by distance and then by position."""
    differences = songs[None].astype(np.float64) - images[:, None].astype(np.float64)  # (N, S, D)
    distances = np.linalg.norm(differences, axis=2)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1).astype(np.float32), order


def assert_nearest(songs: Vectors, images: Vectors, k: int) -> None:
    distances, positions = SongRanker(songs).nearest(images, k)
    expected_distances, expected_positions = brute_force(songs, images, k)
    assert distances.dtype == np.float32
    assert positions.dtype == np.int64
    np.testing.assert_array_equal(positions, expected_positions)
    np.testing.assert_allclose(distances, expected_distances.astype(np.float32), rtol=1e-6)


# Few different values, so that duplicates and equal distances are the rule; far from the origin, so that the matrix
# product loses most of its digits; and tiny steps, far below what the product can resolve there.
COARSE = st.sampled_from([-1.0, 0.0, 0.5, 1.0])
TINY = st.sampled_from([0.0, 1e-4, 2e-4, 5e-4, 1e-3])


@st.composite
def problems(draw: st.DrawFn) -> tuple[Vectors, Vectors, int]:
    dimensions = draw(st.integers(1, 6))
    elements = draw(st.sampled_from([COARSE, TINY]))
    offset = np.float32(draw(st.sampled_from([0.0, 1.0, 1000.0])))
    songs = draw(hnp.arrays(np.float32, (draw(st.integers(1, 80)), dimensions), elements=elements))
    images = draw(hnp.arrays(np.float32, (draw(st.integers(0, 4)), dimensions), elements=elements))
    return songs + offset, images + offset, draw(st.integers(1, 100))


@given(problems())
def test_nearest_is_what_brute_force_finds(problem: tuple[Vectors, Vectors, int]) -> None:
    """Exactly the nearest songs in exactly the right order: duplicates, ties, k > S and tiny distances included."""
    assert_nearest(*problem)


def test_songs_that_the_matrix_product_cannot_tell_apart() -> None:
    """500 songs a hair apart, far from the origin: in float32 every product is the same number."""
    generator = np.random.default_rng(7)
    songs = (300 + generator.permutation(500)[:, None] * 1e-4 + np.zeros((500, 64))).astype(np.float32)
    images = np.full((3, 64), 300, np.float32)
    assert_nearest(songs, images, 10)


def test_a_thousand_copies_come_in_their_own_order() -> None:
    """Of equal songs the first are returned, though all but a few of them are no candidates at first."""
    songs = np.ones((1000, 8), np.float32)
    songs[700] = 0.999
    distances, positions = SongRanker(songs).nearest(np.zeros((1, 8), np.float32), 5)
    assert positions.tolist() == [[700, 0, 1, 2, 3]]
    assert (np.diff(distances) >= 0).all()


def test_many_images_take_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores are computed block by block, and the seams do not show."""
    monkeypatch.setattr("songlens_workers.songs.ranker._BLOCK_SCORES", 1000)
    generator = np.random.default_rng(11)
    songs = generator.normal(size=(300, 16)).astype(np.float32)
    images = generator.normal(size=(25, 16)).astype(np.float32)
    assert_nearest(songs, images, 7)


def test_shapes_are_checked() -> None:
    """No songs, vectors of another length or k < 1 are refused with the shapes in the message."""
    with pytest.raises(ValueError, match="S > 0"):
        SongRanker(np.empty((0, 8), np.float32))
    ranker = SongRanker(np.ones((3, 8), np.float32))
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        ranker.nearest(np.ones((2, 4), np.float32), 1)
    with pytest.raises(ValueError, match="rank 0"):
        ranker.nearest(np.ones((2, 8), np.float32), 0)
    right, wrong = np.ones((2, 8), np.float32), np.ones((2, 4), np.float32)
    for images, users in ((right, wrong), (wrong, right)):
        with pytest.raises(ValueError, match=r"\(2, 4\)"):
            ranker.nearest_blended(images, users, blends_of([(0, 0, 0.5)]), 1)


def brute_force_blended(
    songs: Vectors, images: Vectors, users: Vectors, blends: Blends, k: int
) -> tuple[Exact, Positions]:
    """Measure every song from image and user in float64, blend, and sort by distance and then by position."""
    exact = [vectors.astype(np.float64) for vectors in (songs, images, users)]
    from_image = np.linalg.norm(exact[0][None] - exact[1][blends.images, None], axis=2)  # (R, S)
    from_user = np.linalg.norm(exact[0][None] - exact[2][blends.users, None], axis=2)
    weights = blends.weights[:, None]
    distances = (1 - weights) * from_image + weights * from_user
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), order


def assert_nearest_blended(songs: Vectors, images: Vectors, users: Vectors, blends: Blends, k: int) -> None:
    distances, positions = SongRanker(songs).nearest_blended(images, users, blends, k)
    expected_distances, expected_positions = brute_force_blended(songs, images, users, blends, k)
    assert (distances.dtype, positions.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(positions, expected_positions)
    np.testing.assert_allclose(distances, expected_distances.astype(np.float32), rtol=1e-6)


def blends_of(pairs: list[tuple[int, int, float]]) -> Blends:
    return Blends(
        images=np.array([image for image, _, _ in pairs], np.int64),
        users=np.array([user for _, user, _ in pairs], np.int64),
        weights=np.array([weight for _, _, weight in pairs], np.float64),
    )


WEIGHTS = st.sampled_from([0.0, 1e-9, 0.25, 0.4, 0.5, 1 - 1e-9, 1.0]) | st.floats(0, 1)


@st.composite
def blended_problems(draw: st.DrawFn) -> tuple[Vectors, Vectors, Vectors, Blends, int]:
    dimensions = draw(st.integers(1, 6))
    elements = draw(st.sampled_from([COARSE, TINY]))
    offset = np.float32(draw(st.sampled_from([0.0, 1.0, 1000.0])))

    def points(least: int, most: int) -> Vectors:
        return draw(hnp.arrays(np.float32, (draw(st.integers(least, most)), dimensions), elements=elements)) + offset

    songs, images, users = points(1, 80), points(1, 3), points(1, 3)
    pair = st.tuples(st.integers(0, len(images) - 1), st.integers(0, len(users) - 1), WEIGHTS)
    return songs, images, users, blends_of(draw(st.lists(pair, max_size=6))), draw(st.integers(1, 100))


@given(blended_problems())
def test_blended_is_what_brute_force_finds(problem: tuple[Vectors, Vectors, Vectors, Blends, int]) -> None:
    """Exactly the nearest songs by blended distance in exactly the right order, whatever the weights and the ties."""
    assert_nearest_blended(*problem)


def test_blends_that_the_matrix_product_cannot_tell_apart() -> None:
    """Songs a hair apart, far from the origin, right at image and user: rounding hides no nearer one."""
    generator = np.random.default_rng(7)
    songs = (300 + generator.permutation(500)[:, None] * 1e-4 + np.zeros((500, 64))).astype(np.float32)
    images, users = np.full((1, 64), 300, np.float32), np.full((1, 64), 300.05, np.float32)
    assert_nearest_blended(songs, images, users, blends_of([(0, 0, weight) for weight in (0.0, 0.3, 0.5, 0.9)]), 10)


def test_no_weight_is_the_papers_ranking_and_all_weight_is_the_users() -> None:
    """The ends of the blend are the plain rankings from the image and from the user, distances bit for bit."""
    generator = np.random.default_rng(13)
    songs, images, users = (generator.normal(size=(rows, 16)).astype(np.float32) for rows in (300, 4, 4))
    ranker = SongRanker(songs)
    for weight, points in ((0.0, images), (1.0, users)):
        blended = ranker.nearest_blended(images, users, blends_of([(row, row, weight) for row in range(4)]), 12)
        for found, plain in zip(blended, ranker.nearest(points, 12), strict=True):
            np.testing.assert_array_equal(found, plain)


def test_many_blends_take_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are computed block by block, and the seams do not show."""
    monkeypatch.setattr("songlens_workers.songs.ranker._BLOCK_SCORES", 1000)
    generator = np.random.default_rng(17)
    songs, images, users = (generator.normal(size=(rows, 16)).astype(np.float32) for rows in (300, 9, 5))
    pairs = [(int(generator.integers(9)), int(generator.integers(5)), float(generator.random())) for _ in range(40)]
    assert_nearest_blended(songs, images, users, blends_of(pairs), 7)


def ranked(*rows: list[int]) -> tuple[Vectors, Positions]:
    """Return the nearest songs of each image, at the distances 0, 1, 2, ... from it."""
    positions = np.array(rows, dtype=np.int64)
    return np.broadcast_to(np.arange(positions.shape[1], dtype=np.float32), positions.shape), positions


def test_five_images_with_two_songs_each() -> None:
    """The paper's rule: where the images' songs differ, exactly the two nearest of each, nearest image first."""
    distances, positions = ranked(*(list(range(10 * image, 10 * image + 10)) for image in range(5)))
    picks = pick(distances, positions, top_k=10, songs_per_image=2)
    assert picks == [
        Pick(song=10 * image + rank, image=image, distance=float(rank)) for image in range(5) for rank in range(2)
    ]


def test_a_song_that_two_images_share_is_picked_once() -> None:
    """It counts for the nearer image; the other goes on to its next rank."""
    distances, positions = ranked([1, 2, 3, 4], [2, 1, 5, 6])
    picks = pick(distances, positions, top_k=4, songs_per_image=2)
    assert [(p.song, p.image) for p in picks] == [(1, 0), (2, 0), (5, 1), (6, 1)]


def test_images_with_the_same_songs_fill_up_from_the_next_ranks() -> None:
    """Five images of one scene have the same nearest songs: ten distinct ones still come back."""
    distances, positions = ranked(*([list(range(10))] * 5))
    picks = pick(distances, positions, top_k=10, songs_per_image=2)
    assert sorted(p.song for p in picks) == list(range(10))


def test_few_images_give_more_songs_each_in_turn() -> None:
    """After each image has given its share, one more comes from each until there are enough."""
    distances, positions = ranked(list(range(10)), list(range(20, 30)))
    picks = pick(distances, positions, top_k=7, songs_per_image=2)
    assert [p.song for p in picks] == [0, 1, 20, 21, 2, 22, 3]


def test_more_songs_per_image_than_songs_wanted() -> None:
    """top_k bounds the whole, so that the nearest image gives them all."""
    distances, positions = ranked(list(range(10)), list(range(20, 30)))
    picks = pick(distances, positions, top_k=3, songs_per_image=50)
    assert [p.song for p in picks] == [0, 1, 2]


def test_a_small_catalogue_gives_all_it_has() -> None:
    """Fewer songs than wanted: each of them once, and an end."""
    distances, positions = ranked([0, 1, 2], [2, 1, 0])
    assert sorted(p.song for p in pick(distances, positions, top_k=10, songs_per_image=2)) == [0, 1, 2]
    empty = np.empty((0, 3))
    assert pick(empty.astype(np.float32), empty.astype(np.int64), top_k=10, songs_per_image=2) == []


@given(
    st.integers(1, 30).flatmap(
        lambda songs: st.tuples(
            st.just(songs),
            st.lists(st.permutations(range(songs)), min_size=1, max_size=6),
            st.integers(1, 15),
            st.integers(1, 20),
            st.integers(0, 10),
        )
    )
)
def test_distinct_and_as_many_as_wanted(problem: tuple[int, list[list[int]], int, int, int]) -> None:
    """With K >= top_k: distinct songs, top_k of them whenever there are as many, whoever else is in the batch."""
    songs, rows, top_k, songs_per_image, spare = problem
    distances, positions = ranked(*rows)
    k, wider = top_k, top_k + spare
    picks = pick(distances[:, :k], positions[:, :k], top_k=top_k, songs_per_image=songs_per_image)
    assert len({p.song for p in picks}) == len(picks) == min(top_k, songs)
    assert all(distances[p.image, rows[p.image].index(p.song)] == p.distance for p in picks)
    # More ranks, which a batch has where another request wants more songs, change nothing.
    assert picks == pick(distances[:, :wider], positions[:, :wider], top_k=top_k, songs_per_image=songs_per_image)
