"""Users in a model version: its files, what is published of them, and that nothing changes without a log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import redis
from pyarrow import parquet
from two_listeners import FOREST_LOVER, SEA_LOVER, write_catalogue, write_log

from songlens_shared.errors import ConfigError, DataError
from songlens_shared.keys import ModelKeys
from songlens_training.catalogue.tables import RejectLog
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import train_embedding
from songlens_training.embedding.vectors import read_word2vec
from songlens_training.graph.graph import Vertex, VertexType, build_graph
from songlens_training.graph.listening_options import ListeningOptions
from songlens_training.model.build import Built, build_config, build_model
from songlens_training.model.learn import BuildOptions, Catalogue, learn
from songlens_training.model.publish import publish_model
from songlens_training.progress import silent
from songlens_workers.models.forgotten import ForgottenUsers
from songlens_workers.models.manifest import USER_VECTORS, USERS, WORD2VEC
from songlens_workers.models.store import ModelStore
from songlens_workers.songs.ne_store import NeStore
from songlens_workers.users import Users
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.registry import load_backbone

OPTIONS = BuildOptions(embedding=EmbeddingOptions(dimensions=16, samples=20_000, threads=1))


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("tiny")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Songs and images, and a log of two listeners."""
    folder = tmp_path_factory.mktemp("catalogue")
    write_catalogue(folder)
    write_log(folder / "log.csv")
    return Catalogue(songs=folder / "songs.csv", images=folder / "images", listening=folder / "log.csv")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "models"))


@pytest.fixture
def build(store: ModelStore, backbone: Backbone) -> Callable[[Catalogue], Built]:
    return lambda catalogue: build_model(catalogue, store, backbone, OPTIONS)


def test_users_are_files_and_then_in_redis(
    connection: redis.Redis, store: ModelStore, catalogue: Catalogue, build: Callable[[Catalogue], Built]
) -> None:
    """The users' table and vectors are in the version, the same in word2vec's text, and bit for bit in Redis."""
    built = build(catalogue)
    assert (built.manifest.users, built.manifest.user_buckets) == (2, 1)
    assert {USERS, USER_VECTORS} <= set(built.manifest.files)
    ids = parquet.read_table(built.folder / USERS).column("id").to_pylist()
    assert ids == [SEA_LOVER, FOREST_LOVER]
    vectors = np.load(built.folder / USER_VECTORS)
    assert vectors.shape == (2, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, rel=1e-5)
    vertices, as_text = read_word2vec(built.folder / WORD2VEC)
    assert as_text[vertices.index(Vertex(VertexType.USER, SEA_LOVER))].tobytes() == vectors[0].tobytes()
    manifest = publish_model(store, built.manifest.version, connection)
    forest, nobody, sea = NeStore(connection, manifest).user_vectors([FOREST_LOVER, "nobody", SEA_LOVER])
    assert nobody is None
    assert np.stack([sea, forest]).tobytes() == vectors.tobytes()
    NeStore(connection, manifest).delete()
    assert connection.keys(f"sl:model:{manifest.version}:ne:*") == []


def held(connection: redis.Redis, built: Built) -> list[str]:
    """The users whose vectors are in Redis."""
    return [user.decode() for user in connection.hkeys(ModelKeys(built.manifest.version).user_vectors(0))]


def test_a_forgotten_user_does_not_come_back(
    connection: redis.Redis,
    store: ModelStore,
    catalogue: Catalogue,
    backbone: Backbone,
    build: Callable[[Catalogue], Built],
) -> None:
    """By publishing the same version or another one again, until the user is allowed."""
    built = build(catalogue)
    publish_model(store, built.manifest.version, connection)
    users = Users(connection, partitions=1)
    assert users.forget(SEA_LOVER).vectors == 1
    publish_model(store, built.manifest.version, connection)
    assert held(connection, built) == [FOREST_LOVER]
    again = build_model(catalogue, store, backbone, replace(OPTIONS, embedding=replace(OPTIONS.embedding, seed=7)))
    publish_model(store, again.manifest.version, connection)
    assert held(connection, again) == [FOREST_LOVER]
    users.allow(SEA_LOVER)
    publish_model(store, again.manifest.version, connection)
    assert sorted(held(connection, again)) == sorted([SEA_LOVER, FOREST_LOVER])


def test_a_user_who_is_forgotten_while_a_version_is_published(
    connection: redis.Redis,
    store: ModelStore,
    catalogue: Catalogue,
    build: Callable[[Catalogue], Built],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the worst moment, when publishing has looked who is forgotten and has not written the vector yet."""
    built = build(catalogue)
    users, among = Users(connection, partitions=1), ForgottenUsers.among

    def look_and_then_forget(forgotten: ForgottenUsers, ids: Sequence[str]) -> list[bool]:
        marks = among(forgotten, ids)
        if not held(connection, built):
            users.forget(SEA_LOVER)
        return marks

    monkeypatch.setattr(ForgottenUsers, "among", look_and_then_forget)
    publish_model(store, built.manifest.version, connection)
    assert held(connection, built) == [FOREST_LOVER]


def test_without_a_log_nothing_is_changed(
    connection: redis.Redis,
    store: ModelStore,
    catalogue: Catalogue,
    backbone: Backbone,
    build: Callable[[Catalogue], Built],
) -> None:
    """No users, no key of theirs, no word of them in what decides a build, whatever the options of listening."""
    alone = replace(catalogue, listening=None)
    built = build(alone)
    assert (built.manifest.users, built.manifest.user_buckets) == (0, 0)
    assert not {USERS, USER_VECTORS} & set(built.manifest.files)
    assert not any("listening" in name for name in (*built.manifest.config, *built.report))
    louder = replace(OPTIONS, listening=ListeningOptions(strength=3.0))
    assert build_config(alone, backbone, louder) == built.manifest.config
    assert build_config(catalogue, backbone, louder) != build_config(catalogue, backbone, OPTIONS)
    publish_model(store, built.manifest.version, connection)
    assert connection.keys("sl:model:*:ne:users:*") == []


def test_without_a_log_vectors_are_of_keywords_alone(catalogue: Catalogue, backbone: Backbone) -> None:
    """Bit for bit what the keywords' graph gives; with the log it is another one."""

    def vectors(given: Catalogue) -> tuple[bytes, bytes]:
        with RejectLog() as rejects:
            learned = learn(given, backbone, OPTIONS, rejects, silent)
        alone = train_embedding(build_graph(learned.table.graph_weights()), OPTIONS.embedding)
        return learned.embedding.vectors.tobytes(), alone.vectors.tobytes()

    found, expected = vectors(replace(catalogue, listening=None))
    assert found == expected
    found, expected = vectors(catalogue)
    assert found != expected


def test_a_log_that_cannot_be_used_leaves_no_version(
    store: ModelStore, catalogue: Catalogue, backbone: Backbone, tmp_path: Path
) -> None:
    """Options out of range, users with too few songs, a missing log: a sentence, and no version."""
    for options, error, sentence in (
        (ListeningOptions(strength=0.0), ConfigError, "strength of listening"),
        (ListeningOptions(min_songs=7), DataError, "no user with 7 songs"),
    ):
        with pytest.raises(error, match=sentence):
            build_model(catalogue, store, backbone, replace(OPTIONS, listening=options))
    with pytest.raises(ConfigError, match="does not exist"):
        build_model(replace(catalogue, listening=tmp_path / "none.csv"), store, backbone, OPTIONS)
    assert store.versions() == []
