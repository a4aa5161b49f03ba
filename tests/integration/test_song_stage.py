"""From hits to songs, with vectors and cards in a real server."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import redis
from song_models import image_ids, publish, random_vectors, song_ids
from stages import CLIENT, KEYS

from songlens_shared.codec import encode_hits
from songlens_shared.errors import BadRequest, ModelDamaged, NoModel, UnsupportedVersion
from songlens_shared.functions import Delivery
from songlens_shared.keys import ModelKeys
from songlens_shared.messages import Hits, NeighbourImage, Reply
from songlens_workers.models.live import LiveModel
from songlens_workers.models.published import PublishedModels
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.stage import Answer, Outcome, Work
from songlens_workers.songs.ne_store import Vectors
from songlens_workers.songs.stage import SongModel, SongStage

IMAGES, SONGS = 12, 60


class Songs:
    """A song stage on its server, as its worker puts it together."""

    def __init__(self, connection: redis.Redis) -> None:
        published = PublishedModels(connection)
        load = partial(SongModel.load, connection, published, vector_cache=100, card_cache=100)
        self.live: LiveModel[SongModel] = LiveModel(current=published.current, load=load, poll_s=60)
        self.live.open()
        self.stage = SongStage(self.live, load=load, clock=ServerClock())

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


def hits(model: str, *images: int, id: str = "r1", top_k: int = 10, songs_per_image: int = 2) -> Hits:
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
