"""Model versions of any size, with features and NE vectors by chance: what they cost to serve, real ones cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import redis

from songlens_shared.keys import bucket_count
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.model.artefacts import write_images, write_manifest
from songlens_workers.models.manifest import IMAGE_INDEX, BackboneSpec, Manifest
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.songs.cards import SongCard
from songlens_workers.songs.ne_store import NeStore
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.model import backbone_spec

_VERSION = "20260102T030405Z"
_NE_DIMENSIONS = 128
KEYWORDS = ("雪", "森林", "冬天", "海", "咖啡")
_LINES = dict.fromkeys(KEYWORDS, "轻轻落在我掌心，静静在掌中结冰")


def make_model(store: ModelStore, backbone: Backbone, *, images: int, songs: int) -> Manifest:
    """Write what a vision worker opens; return the manifest."""
    folder = store.folder / _VERSION
    folder.mkdir(parents=True)
    features = np.random.default_rng(1).random((images, backbone.dimensions), np.float32)
    FlatImageIndex.build(features).save(folder / IMAGE_INDEX)
    weights = {id: dict.fromkeys(KEYWORDS, 1.0) for id in _image_ids(images)}
    write_images(folder, [CatalogueImage(id=id, path=Path(id), keywords={}) for id in weights], weights)
    return write_manifest(folder, manifest(backbone_spec(backbone), images=images, songs=songs))


def manifest(backbone: BackboneSpec, *, images: int, songs: int) -> Manifest:
    """Return the manifest of a version of this size."""
    return Manifest(
        version=_VERSION,
        created_at="2026-01-02T03:04:05Z",
        songlens="0.1.0",
        backbone=backbone,
        ne_dimensions=_NE_DIMENSIONS,
        images=images,
        songs=songs,
        keywords=list(KEYWORDS),
        image_buckets=bucket_count(images),
        song_buckets=bucket_count(songs),
        config={},
        config_sha256="0" * 64,
    )


def publish(connection: redis.Redis, manifest: Manifest) -> None:
    """Write what a song worker reads, and make the version live."""
    store, dice = NeStore(connection, manifest), np.random.default_rng(2)
    song_ids = [f"song-{number:06}" for number in range(manifest.songs)]
    store.write_image_vectors(_image_ids(manifest.images), dice.random((manifest.images, _NE_DIMENSIONS), np.float32))
    store.write_song_vectors(song_ids, dice.random((manifest.songs, _NE_DIMENSIONS), np.float32))
    store.write_song_cards(cards(song_ids))
    published = PublishedModels(connection)
    published.add(manifest, published_s=0)
    published.make_current(manifest.version)


def cards(song_ids: Iterable[str]) -> Iterator[tuple[str, SongCard]]:
    """Return the song card of each."""
    return ((id, SongCard(title=f"歌 {id}", artist="某位歌手", lines=_LINES)) for id in song_ids)


def _image_ids(count: int) -> list[str]:
    return [f"image-{number:06}" for number in range(count)]
