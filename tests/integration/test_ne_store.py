"""NE vectors and song cards in Redis."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import redis
from song_models import cards, image_ids, manifest, random_vectors, song_ids, user_ids

from songlens_shared.errors import ModelDamaged
from songlens_shared.keys import BUCKET_ENTRIES, ModelKeys, bucket_of
from songlens_workers.songs.ne_store import NeStore, Vectors

VERSION = "20260102-030405-abc"
IMAGES, SONGS, USERS = 2 * BUCKET_ENTRIES + 50, 3 * BUCKET_ENTRIES + 7, BUCKET_ENTRIES + 3
MANIFEST = manifest(VERSION, images=IMAGES, songs=SONGS, dimensions=8, users=USERS, user_buckets=2)
KEYS = ModelKeys(VERSION)


@pytest.fixture
def store(connection: redis.Redis) -> NeStore:
    """A store with all of a version's vectors and cards, in several buckets."""
    store = NeStore(connection, MANIFEST)
    store.write_image_vectors(image_ids(IMAGES), random_vectors(1, IMAGES))
    store.write_song_vectors(song_ids(SONGS), random_vectors(2, SONGS))
    store.write_song_cards(cards(song_ids(SONGS), VERSION))
    store.write_user_vectors(user_ids(USERS), random_vectors(3, USERS))
    return store


def bits(vectors: Vectors) -> bytes:
    return vectors.astype("<f4").tobytes()


def test_every_vector_comes_back_bit_by_bit(store: NeStore) -> None:
    """Song vectors come all at once, ordered by id; image vectors in the order asked for, twice where asked twice."""
    ids, vectors = store.song_vectors()
    assert ids == song_ids(SONGS)
    assert vectors.dtype == np.float32
    assert bits(vectors) == bits(random_vectors(2, SONGS))
    wanted = [1500, 3, 3, 0, IMAGES - 1]
    found = store.image_vectors([image_ids(IMAGES)[number] for number in wanted])
    assert bits(found) == bits(random_vectors(1, IMAGES)[wanted])
    assert store.image_vectors([]).shape == (0, 8)


def test_users_come_back_and_unknown_ones_are_none(store: NeStore) -> None:
    """In the order asked for; a user that the version does not know is no error and does not move the others."""
    found = store.user_vectors([user_ids(USERS)[1001], "nobody", "", user_ids(USERS)[0]])
    assert [None if vector is None else bits(vector) for vector in found] == [
        bits(random_vectors(3, USERS)[1001]),
        None,
        None,
        bits(random_vectors(3, USERS)[0]),
    ]
    assert store.user_vectors([]) == []


def test_a_version_without_users_asks_nobody(connection: redis.Redis) -> None:
    """A version built without a listening log, or before there were users, knows no user."""
    earlier = manifest("earlier", images=1, songs=1, dimensions=8)
    assert (earlier.users, earlier.user_buckets) == (0, 0)
    assert NeStore(connection, earlier).user_vectors(["someone", "nobody"]) == [None, None]


def test_a_damaged_user_is_not_named(connection: redis.Redis, store: NeStore) -> None:
    """A user vector of another length is a damaged version; the sentence, which goes to the log, names no user."""
    user = user_ids(USERS)[5]
    connection.hset(KEYS.user_vectors(bucket_of(user, MANIFEST.user_buckets)), user, bytes(31))
    with pytest.raises(ModelDamaged, match="8 dimensions") as damage:
        store.user_vectors([user])
    assert user not in damage.value.message


def test_cards_come_back(store: NeStore) -> None:
    """In the order asked for."""
    found = store.song_cards(["song-00007", "song-00001"])
    assert [card.title for card in found] == [f"song-00007 of {VERSION}", f"song-00001 of {VERSION}"]


def test_the_bytes_are_what_the_protocol_says(connection: redis.Redis, store: NeStore) -> None:
    """Little-endian float32 under crc32(id) mod buckets: a program in another language finds and reads them."""
    bucket = bucket_of("image-1234", MANIFEST.image_buckets)
    raw = connection.hget(KEYS.image_vectors(bucket), "image-1234")
    assert isinstance(raw, bytes)
    assert struct.unpack("<8f", raw) == tuple(random_vectors(1, IMAGES)[1234].tolist())


def test_a_missing_image_is_named(connection: redis.Redis, store: NeStore) -> None:
    """An entry that Redis has evicted is a damaged version: the sentence names it and how to mend it."""
    connection.hdel(KEYS.image_vectors(bucket_of("image-7", MANIFEST.image_buckets)), "image-7")
    with pytest.raises(ModelDamaged, match=rf"'image-7' of model version {VERSION}; run `songlens model publish"):
        store.image_vectors(["image-1", "image-7"])


def test_a_missing_card_is_named(connection: redis.Redis, store: NeStore) -> None:
    """The same for what is shown of a song."""
    connection.delete(KEYS.song_cards(bucket_of("song-00003", MANIFEST.song_buckets)))
    with pytest.raises(ModelDamaged, match="song-00003"):
        store.song_cards(["song-00003"])


def test_songs_are_counted(connection: redis.Redis, store: NeStore) -> None:
    """A bucket that was evicted is noticed before any request is ranked without its songs."""
    connection.delete(KEYS.song_vectors(1))
    with pytest.raises(ModelDamaged, match=rf"of {SONGS} song vectors"):
        store.song_vectors()


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "8 dimensions"),
        (bytes(31), "8 dimensions"),
        (bytes(64), "8 dimensions"),
        (struct.pack("<8f", *[float("nan")] * 8), "not finite"),
        (struct.pack("<8f", *[float("inf")] * 8), "not finite"),
    ],
)
def test_a_vector_that_is_none_is_refused(connection: redis.Redis, store: NeStore, raw: bytes, fault: str) -> None:
    """Of another length or not finite: never a vector put together from its neighbours' bytes."""
    connection.hset(KEYS.song_vectors(bucket_of("song-00001", MANIFEST.song_buckets)), "song-00001", raw)
    with pytest.raises(ModelDamaged, match=fault):
        store.song_vectors()


def test_two_vectors_whose_lengths_make_up_for_each_other(connection: redis.Redis, store: NeStore) -> None:
    """Each vector's length is checked, not only their sum."""
    for image, raw in (("image-1", bytes(28)), ("image-2", bytes(36))):
        connection.hset(KEYS.image_vectors(bucket_of(image, MANIFEST.image_buckets)), image, raw)
    with pytest.raises(ModelDamaged, match="8 dimensions"):
        store.image_vectors(["image-1", "image-2"])


def test_ids_and_vectors_must_go_together(store: NeStore) -> None:
    """A writer that mixes them up is stopped before anything is written."""
    with pytest.raises(ValueError, match="2 ids"):
        store.write_song_vectors(["a", "b"], random_vectors(3, 3))


def test_delete_leaves_nothing_of_this_version(connection: redis.Redis, store: NeStore) -> None:
    """And everything of others."""
    other = NeStore(connection, manifest("another", images=1, songs=1, dimensions=8))
    other.write_song_vectors(["song"], random_vectors(4, 1))
    store.delete()
    assert connection.keys(f"sl:model:{VERSION}:*") == []
    assert other.song_vectors()[0] == ["song"]


def test_writing_again_changes_nothing(store: NeStore) -> None:
    """A publish that was cut off is simply repeated."""
    store.write_song_vectors(song_ids(SONGS), random_vectors(2, SONGS))
    assert bits(store.song_vectors()[1]) == bits(random_vectors(2, SONGS))
