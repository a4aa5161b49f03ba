"""From hits to songs, with vectors and cards in a real server."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import redis
from song_models import image_ids, publish, random_vectors, song_ids, user_ids
from stages import CLIENT, KEYS

from songlens_shared.codec import encode_hits, encode_reply
from songlens_shared.errors import BadRequest, ModelDamaged, NoModel, UnsupportedVersion
from songlens_shared.functions import Delivery
from songlens_shared.keys import ModelKeys
from songlens_shared.messages import Hits, NeighbourImage, Personal, Reply
from songlens_workers.models.forgotten import ForgetsWatch, ForgottenUsers
from songlens_workers.models.live import LiveModel
from songlens_workers.models.published import PublishedModels
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.stage import Answer, Outcome, Work
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.ne_store import Vectors
from songlens_workers.songs.stage import SongStage

IMAGES, SONGS, USERS = 12, 60, 4
DEFAULT_WEIGHT = 0.6


class Songs:
    """A song stage on its server, as its worker puts it together."""

    def __init__(self, connection: redis.Redis) -> None:
        published = PublishedModels(connection)
        load = partial(SongModel.load, connection, published, vector_cache=100, card_cache=100, user_cache=10)
        self.live: LiveModel[SongModel] = LiveModel(current=published.current, load=load, poll_s=60)
        self.live.open()
        self.stage = SongStage(self.live, load=load, clock=ServerClock(), user_weight=DEFAULT_WEIGHT)

    def run(self, *batch: Hits) -> list[Outcome]:
        return self.stage.run([self.stage.prepare(work(encode_hits(hits))) for hits in batch])

    def replies(self, *batch: Hits) -> list[Reply]:
        outcomes = self.run(*batch)
        assert all(isinstance(outcome, Answer) for outcome in outcomes), outcomes
        return [outcome.reply for outcome in outcomes if isinstance(outcome, Answer)]


def work(payload: bytes) -> Work:
    delivery = Delivery(
        keys=KEYS,
        stream=KEYS.hits,
        group="songs",
        entry_id=b"1700000000000-0",
        payload=payload,
        request_id="r1",
        client=CLIENT,
        deadline_ms=2**45,
    )
    return Work(delivery, claimed_ms=1_700_000_000_040)


def hits(
    model: str,
    *images: int,
    id: str = "r1",
    top_k: int = 10,
    songs_per_image: int = 2,
    user: str | None = None,
    user_weight: float | None = None,
) -> Hits:
    return Hits(
        id=id,
        client=CLIENT,
        model=model,
        images=tuple(
            NeighbourImage(id=image_ids(IMAGES)[number], distance=float(rank), keywords=("雪",))
            for rank, number in enumerate(images)
        ),
        top_k=top_k,
        songs_per_image=songs_per_image,
        submitted_ms=1_700_000_000_000,
        timings_ms={"queue": 5.0, "decode": 1.0, "embed": 2.0, "search": 3.0},
        user=user,
        user_weight=user_weight,
    )


def expected(images: Vectors, songs: Vectors, chosen: tuple[int, ...], per_image: int) -> list[str]:
    """Return the nearest songs of each image that none before it has taken, by brute force."""
    found: list[int] = []
    for number in chosen:
        ranked = np.argsort(np.linalg.norm(songs - images[number], axis=1), kind="stable").tolist()
        found += [song for song in ranked if song not in found][:per_image]
    return [song_ids(SONGS)[number] for number in found]


@pytest.fixture
def vectors() -> dict[str, tuple[Vectors, Vectors]]:
    """Of each version, image and song vectors: quite other ones."""
    return {
        version: (random_vectors(seed, IMAGES), random_vectors(seed + 1, SONGS))
        for version, seed in (("v1", 10), ("v2", 20))
    }


def ids(reply: Reply) -> list[str]:
    return [song.id for song in reply.songs]


def test_the_papers_rule(connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]) -> None:
    """Two songs of each of five images, by exact Euclidean distance, with card, score, reason and timings."""
    publish(connection, "v1", *vectors["v1"])
    (reply,) = Songs(connection).replies(hits("v1", 3, 1, 4, 0, 5))
    assert ids(reply) == expected(*vectors["v1"], (3, 1, 4, 0, 5), 2)
    assert (reply.id, reply.status, reply.model) == ("r1", "ok", "v1")
    assert [image.id for image in reply.images] == ["image-3", "image-1", "image-4", "image-0", "image-5"]
    first = reply.songs[0]
    distance = np.linalg.norm(vectors["v1"][0][3] - vectors["v1"][1][song_ids(SONGS).index(first.id)])
    assert first.distance == pytest.approx(float(distance), rel=1e-6)
    assert first.score == pytest.approx(1 / (1 + first.distance))
    assert (first.title, first.artist) == (f"{first.id} of v1", "某人")
    assert (first.via.image, first.via.keyword, first.via.line) == ("image-3", "雪", "夜里下起了雪")
    assert reply.timings_ms["queue"] == 45.0  # 5 before the vision stage and 40 before this one
    assert set(reply.timings_ms) == {"queue", "decode", "embed", "search", "songs", "total"}


def test_a_reply_to_cached_hits_says_so(connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]) -> None:
    """The vision stage's mark reaches the client, and changes nothing else; other replies of the batch have none."""
    publish(connection, "v1", *vectors["v1"])
    asked = hits("v1", 3, 1, 4)
    marked, plain = Songs(connection).replies(replace(asked, cached=True), asked)
    assert (marked.cached, plain.cached) == (True, False)
    assert (marked.songs, marked.images) == (plain.songs, plain.images)


def test_a_batch_of_several_versions(connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]) -> None:
    """Each request is ranked with the vectors of the version that its images come from, in whatever order they come."""
    publish(connection, "v1", *vectors["v1"])
    publish(connection, "v2", *vectors["v2"])
    songs = Songs(connection)
    assert songs.live.version == "v2"
    batch = [hits("v1", 1, 2, id="a"), hits("v2", 1, 2, id="b"), hits("v1", 5, id="c"), hits("v2", 5, id="d")]
    replies = songs.replies(*batch)
    assert [reply.id for reply in replies] == ["a", "b", "c", "d"]
    assert [reply.model for reply in replies] == ["v1", "v2", "v1", "v2"]
    for reply, asked in zip(replies, batch, strict=True):
        images = tuple(int(image.id.removeprefix("image-")) for image in asked.images)
        assert ids(reply)[: 2 * len(images)] == expected(*vectors[asked.model], images, 2)
        assert all(song.title.endswith(f"of {asked.model}") for song in reply.songs)


def test_the_batch_mates_do_not_matter(connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]) -> None:
    """A request gets the same songs alone and beside others that share its images or want more songs."""
    publish(connection, "v1", *vectors["v1"])
    songs = Songs(connection)
    batch = [
        hits("v1", 0, 1, 2, top_k=4),
        hits("v1", 2, 1, top_k=50, songs_per_image=20),
        hits("v1", 2, 2, 2),
        hits("v1", top_k=5),
        hits("v1", 7, top_k=1, songs_per_image=50),
    ]
    together = songs.replies(*batch)
    alone = [songs.replies(one)[0] for one in batch]
    assert [ids(reply) for reply in together] == [ids(reply) for reply in alone]
    assert [len(reply.songs) for reply in together] == [4, 50, 10, 0, 1]


def test_more_songs_wanted_than_there_are(connection: redis.Redis) -> None:
    """A small catalogue gives each song once."""
    publish(connection, "v1", random_vectors(1, IMAGES), random_vectors(2, 3))
    (reply,) = Songs(connection).replies(hits("v1", 0, 1))
    assert sorted(ids(reply)) == song_ids(3)


def test_an_unknown_version_fails_alone(connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]) -> None:
    """Hits of a version that is not published are answered no_model by name; others of the batch get songs."""
    publish(connection, "v1", *vectors["v1"])
    known, unknown = Songs(connection).run(hits("v1", 1), hits("gone", 1))
    assert isinstance(known, Answer)
    assert isinstance(unknown, NoModel)
    assert "gone" in unknown.message


def test_without_any_model(connection: redis.Redis) -> None:
    """Before the first publish the stage is not ready, and says the same to whoever asks it."""
    songs = Songs(connection)
    (outcome,) = songs.run(hits("v1", 1))
    assert isinstance(outcome, NoModel)
    assert songs.stage.ready() == ["no model version is published"]


def test_a_swap_between_batches(connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]) -> None:
    """After a publish new hits use the new version, and those still under way the one they began with."""
    publish(connection, "v1", *vectors["v1"])
    songs = Songs(connection)
    before = ids(songs.replies(hits("v1", 1))[0])
    publish(connection, "v2", *vectors["v2"])
    early = songs.replies(hits("v2", 1))[0]  # vision workers may be faster than this one
    songs.live.poll()
    assert songs.live.version == "v2"
    after_v1, after_v2 = songs.replies(hits("v1", 1), hits("v2", 1))
    assert ids(after_v1) == before
    assert ids(after_v2) == ids(early)
    assert ids(after_v2)[:2] == expected(*vectors["v2"], (1,), 2)


def test_an_image_without_a_vector_is_damage(
    connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]
) -> None:
    """Where Redis has lost a vector the stage raises what names it, and the worker halves the batch down to it."""
    publish(connection, "v1", *vectors["v1"])
    songs = Songs(connection)
    connection.hdel(ModelKeys("v1").image_vectors(0), "image-4")
    with pytest.raises(ModelDamaged, match="image-4"):
        songs.run(hits("v1", 1), hits("v1", 4))
    assert len(songs.replies(hits("v1", 1))) == 1


@pytest.mark.parametrize(
    ("payload", "error"), [(b"", BadRequest), (b"\x80", UnsupportedVersion), (b"\x81\xa1v\x01", BadRequest)]
)
def test_what_are_no_hits_is_refused(connection: redis.Redis, payload: bytes, error: type[Exception]) -> None:
    """Preparing raises the error that the client is told."""
    with pytest.raises(error):
        Songs(connection).stage.prepare(work(payload))


def test_vectors_and_cards_are_cached(connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]]) -> None:
    """What was read for one request is not read again for the next."""
    publish(connection, "v1", *vectors["v1"])
    songs = Songs(connection)
    first = songs.replies(hits("v1", 1, 2))
    connection.delete(ModelKeys("v1").image_vectors(0), ModelKeys("v1").song_cards(0))
    assert ids(songs.replies(hits("v1", 2, 1))[0]) != []
    assert ids(songs.replies(hits("v1", 1, 2))[0]) == ids(first[0])


@pytest.fixture
def users() -> Vectors:
    """The vectors of four users."""
    return random_vectors(30, USERS)


def songs_of(reply: Reply) -> bytes:
    """The songs of a reply as they go over the wire."""
    return encode_reply(replace(reply, id="", timings_ms={}, images=(), personal=None))


def expected_for(
    images: Vectors, songs: Vectors, user: Vectors, chosen: tuple[int, ...], weight: float
) -> list[tuple[str, float]]:
    """Return the two songs of each image that are nearest to image and user, and their distances, by brute force."""
    exact = songs.astype(np.float64)
    found: dict[int, float] = {}
    for number in chosen:
        from_image, from_user = (np.linalg.norm(exact - point, axis=1) for point in (images[number], user))
        blended = (1 - weight) * from_image + weight * from_user
        ranked = [song for song in np.argsort(blended, kind="stable").tolist() if song not in found][:2]
        found |= {song: float(blended[song]) for song in ranked}
    return [(song_ids(SONGS)[song], distance) for song, distance in found.items()]


@pytest.mark.parametrize("weight", [0.25, 1.0, None])
def test_songs_for_a_user(
    connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]], users: Vectors, weight: float | None
) -> None:
    """Distances are blended by the weight asked for, or else by the worker's own, and the reply says which it was."""
    publish(connection, "v1", *vectors["v1"], users)
    (reply,) = Songs(connection).replies(hits("v1", 3, 1, 4, 0, 5, user=user_ids(USERS)[2], user_weight=weight))
    applied = DEFAULT_WEIGHT if weight is None else weight
    assert reply.personal == Personal(user_weight=applied, known=True)
    expected_songs = expected_for(*vectors["v1"], users[2], (3, 1, 4, 0, 5), applied)
    assert ids(reply) == [song for song, _ in expected_songs]
    assert [song.distance for song in reply.songs] == pytest.approx([d for _, d in expected_songs], rel=1e-6)
    assert [song.score for song in reply.songs] == pytest.approx([1 / (1 + song.distance) for song in reply.songs])


def test_without_any_weight_the_songs_are_the_papers(
    connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]], users: Vectors
) -> None:
    """Weight 0 and a user that is not known give, byte for byte, the songs of nobody, and the reply says which it is.

    In one batch with requests for users, which share its images and want more songs.
    """
    publish(connection, "v1", *vectors["v1"], users)
    songs = Songs(connection)
    (nobody,) = songs.replies(hits("v1", 3, 1, 4))
    known = user_ids(USERS)[0]
    none, zero, unknown, personal = songs.replies(
        hits("v1", 3, 1, 4),
        hits("v1", 3, 1, 4, user=known, user_weight=0.0),
        hits("v1", 3, 1, 4, user="nobody we know", user_weight=0.9),
        hits("v1", 4, 3, top_k=40, user=known, user_weight=0.9),
    )
    assert songs_of(none) == songs_of(zero) == songs_of(unknown) == songs_of(nobody)
    assert (none.personal, nobody.personal) == (None, None)
    assert zero.personal == Personal(user_weight=0.0, known=True)
    assert unknown.personal == Personal(user_weight=0.0, known=False)
    assert personal.personal == Personal(user_weight=0.9, known=True)
    assert ids(personal)[:2] == [song for song, _ in expected_for(*vectors["v1"], users[0], (4,), 0.9)]


def test_users_of_one_batch_do_not_mix(
    connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]], users: Vectors
) -> None:
    """Each request of a batch gets what it gets alone: several users, weights, versions, one without any image."""
    publish(connection, "v1", *vectors["v1"], users)
    publish(connection, "v2", *vectors["v2"])
    songs = Songs(connection)
    first, second = user_ids(USERS)[:2]
    batch = [
        hits("v1", 0, 1, 2, user=first, user_weight=0.5, top_k=4),
        hits("v1", 2, 1, user=second, user_weight=0.5, top_k=30),
        hits("v1", 2, 1, 2, user=second, user_weight=0.9),
        hits("v1", user=first, user_weight=0.5),
        hits("v1", 7, 1),
        hits("v2", 7, 1, user=first, user_weight=0.5),
    ]
    together = songs.replies(*batch)
    alone = [songs.replies(one)[0] for one in batch]
    assert [songs_of(reply) for reply in together] == [songs_of(reply) for reply in alone]
    assert [len(reply.songs) for reply in together] == [4, 30, 10, 0, 10, 10]
    assert together[5].personal == Personal(user_weight=0.0, known=False)  # v2 was built without a listening log


def test_user_vectors_are_cached(
    connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]], users: Vectors
) -> None:
    """A user who was there before is not read again."""
    publish(connection, "v1", *vectors["v1"], users)
    songs = Songs(connection)
    asked = hits("v1", 1, 2, user=user_ids(USERS)[1], user_weight=0.5)
    (before,) = songs.replies(asked)
    connection.delete(ModelKeys("v1").user_vectors(0))
    (after,) = songs.replies(asked)
    assert songs_of(after) == songs_of(before)
    assert after.personal == before.personal


def test_forgotten_users_are_dropped(
    connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]], users: Vectors
) -> None:
    """At the poll after somebody was forgotten, in the live version and the earlier one; the others are read again."""
    for version in ("v1", "v2"):
        publish(connection, version, *vectors[version], users)
    songs = Songs(connection)
    watch = ForgetsWatch(connection, songs.stage.drop_users)
    watch.poll()
    gone, other = user_ids(USERS)[:2]
    batch = [
        hits(version, 1, 2, user=user, user_weight=0.5, id=f"{version} {user}")
        for version in ("v1", "v2")
        for user in (gone, other)
    ]

    def known() -> list[bool]:
        return [reply.personal is not None and reply.personal.known for reply in songs.replies(*batch)]

    assert known() == [True] * 4
    for version in ("v1", "v2"):
        connection.hdel(ModelKeys(version).user_vectors(0), gone)
    watch.poll()
    assert known() == [True] * 4  # nobody has been forgotten yet, and what is held is not read again
    ForgottenUsers(connection).tell_workers()
    watch.poll()
    assert known() == [False, True, False, True]


def test_an_error_names_no_user(
    connection: redis.Redis, vectors: dict[str, tuple[Vectors, Vectors]], users: Vectors
) -> None:
    """What Redis has against reading a user's vector is told, for a log, without the user."""
    publish(connection, "v1", *vectors["v1"], users)
    connection.delete(ModelKeys("v1").user_vectors(0))
    connection.set(ModelKeys("v1").user_vectors(0), "no hash")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE") as raised:
        Songs(connection).run(hits("v1", 1, user="a private name"))
    assert "private" not in str(raised.value)
