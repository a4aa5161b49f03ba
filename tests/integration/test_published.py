"""Which versions are published, and which one is live."""

from __future__ import annotations

import pytest
import redis
from song_models import manifest

from songlens_shared.errors import ModelDamaged, ModelNotFound
from songlens_shared.keys import ModelKeys
from songlens_workers.models.published import PublishedModels


@pytest.fixture
def published(connection: redis.Redis) -> PublishedModels:
    return PublishedModels(connection)


def add(published: PublishedModels, *versions: str) -> None:
    for published_s, version in enumerate(versions):
        published.add(manifest(version, images=3, songs=5, dimensions=4), published_s=published_s)


def test_before_the_first_publish(published: PublishedModels) -> None:
    """There is no live version, none before it, and nothing to go back to."""
    assert published.current() is None
    assert published.previous() is None
    assert published.versions() == []
    with pytest.raises(ModelNotFound, match="no earlier version"):
        published.rollback()


def test_versions_come_in_the_order_of_publishing(published: PublishedModels) -> None:
    """Whatever their names; publishing one again moves it to the end."""
    add(published, "zebra", "apple", "mango")
    assert published.versions() == ["zebra", "apple", "mango"]
    published.add(manifest("zebra", images=3, songs=5, dimensions=4), published_s=99)
    assert published.versions() == ["apple", "mango", "zebra"]


def test_a_manifest_is_read_back(published: PublishedModels) -> None:
    """What workers read is what was published."""
    add(published, "v1")
    assert published.manifest("v1") == manifest("v1", images=3, songs=5, dimensions=4)


def test_adding_does_not_make_live(published: PublishedModels) -> None:
    """Vectors are loaded first; the flip is a step of its own."""
    add(published, "v1")
    assert published.current() is None


def test_flip_and_roll_back(published: PublishedModels) -> None:
    """Rollback goes to the version before, and rolling back twice returns."""
    add(published, "v1", "v2")
    published.make_current("v1")
    assert (published.current(), published.previous()) == ("v1", None)
    published.make_current("v2")
    assert (published.current(), published.previous()) == ("v2", "v1")
    assert published.rollback() == "v1"
    assert (published.current(), published.previous()) == ("v1", "v2")
    assert published.rollback() == "v2"
    assert published.current() == "v2"


def test_flipping_to_the_live_version_keeps_the_one_before(published: PublishedModels) -> None:
    """Publishing the live version again does not lose the way back."""
    add(published, "v1", "v2")
    published.make_current("v1")
    published.make_current("v2")
    published.make_current("v2")
    assert (published.current(), published.previous()) == ("v2", "v1")


def test_only_what_is_published_becomes_live(published: PublishedModels) -> None:
    """A flip to an unknown version is refused with the command that publishes it, and changes nothing."""
    add(published, "v1")
    published.make_current("v1")
    with pytest.raises(ModelNotFound, match="`songlens model publish v9`"):
        published.make_current("v9")
    assert published.current() == "v1"


def test_a_damaged_manifest_is_named(connection: redis.Redis, published: PublishedModels) -> None:
    """Workers keep their version and say what is wrong with the new one."""
    connection.set(ModelKeys("v1").manifest, b'{"format": 1')
    with pytest.raises(ModelDamaged, match="of version v1 in Redis"):
        published.manifest("v1")
    with pytest.raises(ModelDamaged):
        published.make_current("v1")
    assert published.current() is None


def test_a_forgotten_version_is_gone(published: PublishedModels) -> None:
    """It is no longer listed and cannot become live."""
    add(published, "v1", "v2")
    published.forget("v1")
    assert published.versions() == ["v2"]
    with pytest.raises(ModelNotFound):
        published.make_current("v1")
