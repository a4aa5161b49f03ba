"""From photos to hits, with the tiny backbone and versions on disk."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from stages import CLIENT
from vision_stages import CACHE_TTL_S, LIMITS, CountingBackbone, Vision, build, decoded, features, photo, request, work

from songlens_shared.codec import encode_request
from songlens_shared.errors import (
    BadImage,
    BadRequest,
    ImageTooLarge,
    ModelDamaged,
    ModelMismatch,
    NoModel,
    UnsupportedVersion,
)
from songlens_shared.messages import Hits, Request
from songlens_workers.models.manifest import IMAGE_INDEX, IMAGES
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.stage import HandOver, Work
from songlens_workers.vision import tiny
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.content_cache import ContentCache, Key
from songlens_workers.vision.model import backbone_spec
from songlens_workers.vision.photo_source import PhotoSource
from songlens_workers.vision.stage import PhotoWork, VisionStage

CATALOGUE = 30


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.set_num_threads(1)
    return tiny.load(device="cpu")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "models"))


@pytest.fixture
def vision(store: ModelStore, backbone: Backbone) -> Vision:
    """A stage that serves version v1, whose images are the photos 0 to 29."""
    build(store, "v1", backbone, range(CATALOGUE))
    vision = Vision(store, backbone)
    vision.make_live("v1")
    return vision


def run(vision: Vision, *batch: Work) -> list[Hits]:
    return decoded(vision.stage.run([prepare(vision, one) for one in batch]))


def prepare(vision: Vision, work: Work) -> PhotoWork:
    """Prepare a photo that needs a batch."""
    prepared = vision.stage.prepare(work)
    assert isinstance(prepared, PhotoWork)
    return prepared


def test_hits_are_the_nearest_images(vision: Vision, backbone: Backbone) -> None:
    """For each photo of a batch the images_k nearest by Euclidean distance, as brute force finds them."""
    seeds = [100, 101, 7, 102]
    batch = [request(photo(seed), f"r{seed}", images_k=k) for seed, k in zip(seeds, (5, 1, 100, 3), strict=True)]
    found = run(vision, *batch)
    catalogue = features(backbone, [photo(seed) for seed in range(CATALOGUE)])
    for hits, seed, k in zip(found, seeds, (5, 1, 30, 3), strict=True):
        distances = np.linalg.norm(catalogue - features(backbone, [photo(seed)]), axis=1)
        nearest = np.argsort(distances, kind="stable")[:k]
        assert [image.id for image in hits.images] == [f"v1-{number}" for number in nearest]
        np.testing.assert_allclose([image.distance for image in hits.images], distances[nearest], atol=1e-3)
    assert found[2].images[0].id == "v1-7"  # a catalogue image finds itself
    assert found[2].images[0].distance == pytest.approx(0, abs=1e-3)


def test_hits_carry_the_request_on(vision: Vision) -> None:
    """Who asked, for what, from which version, and the time spent so far; and no image bytes."""
    image = photo(100)
    asked = request(
        image, "r9", top_k=7, images_k=2, songs_per_image=3, user="someone", user_weight=0.3, trace="00-abc"
    )
    (hits,) = run(vision, asked)
    assert (hits.id, hits.client, hits.model) == ("r9", CLIENT, "v1")
    assert (hits.top_k, hits.songs_per_image, hits.user, hits.trace) == (7, 3, "someone", "00-abc")
    assert hits.user_weight == 0.3
    assert hits.submitted_ms == 1_700_000_000_000
    assert hits.timings_ms["queue"] == 25.0
    assert set(hits.timings_ms) == {"queue", "decode", "embed", "search"}
    assert [image.keywords for image in hits.images] == [(f"重{image.id}", "轻") for image in hits.images]
    (outcome,) = vision.stage.run([prepare(vision, asked)])
    assert isinstance(outcome, HandOver)
    assert image[:64] not in outcome.payload()


def test_hits_are_not_made_while_the_device_waits(vision: Vision, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends with its search; whoever sends the hits makes them."""
    made: list[Hits] = []

    def encoded(hits: Hits) -> bytes:
        made.append(hits)
        return b"hits"

    monkeypatch.setattr("songlens_workers.vision.stage.encode_hits", encoded)
    (outcome,) = vision.stage.run([prepare(vision, request(photo(100)))])
    assert isinstance(outcome, HandOver)
    assert not made
    assert (outcome.payload(), len(made)) == (b"hits", 1)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: request(b"this is no photo"), BadImage),
        (lambda: request(photo(1)[:200]), BadImage),
        (lambda: request(b""), BadImage),
        (lambda: request(_wide()), ImageTooLarge),
        (lambda: work(b"not msgpack"), BadRequest),
        (lambda: work(b"\x81\xa1v\x63"), UnsupportedVersion),
        (lambda: work(encode_request(Request(id="r1", client=CLIENT, uri="s3://bucket/key"))), BadRequest),
    ],
)
def test_what_is_wrong_with_a_request_is_said_while_preparing(
    vision: Vision, make: Any, error: type[Exception]
) -> None:
    """Each fault raises its own error, before the request can reach a batch."""
    with pytest.raises(error):
        vision.stage.prepare(make())


def test_a_photo_by_uri_is_searched_like_any_other(vision: Vision, tmp_path: Path) -> None:
    """Where the stage may fetch it, the hits are those of the same photo sent along; and its limits hold."""
    (tmp_path / "a.png").write_bytes(photo(100))
    (tmp_path / "wide.png").write_bytes(_wide())
    photos = PhotoSource([tmp_path.as_uri()], limits=LIMITS)
    stage = VisionStage(vision.live, limits=LIMITS, cache=vision.cache, clock=ServerClock(), photos=photos)

    def named(name: str) -> Work:
        return work(encode_request(Request(id="r1", client=CLIENT, uri=(tmp_path / name).as_uri())))

    (found,) = decoded(stage.run([stage.prepare(named("a.png"))]))
    (expected,) = run(vision, request(photo(100)))
    assert found.images == expected.images
    with pytest.raises(ImageTooLarge):
        stage.prepare(named("wide.png"))
    with pytest.raises(BadImage):
        stage.prepare(named("none.png"))


def _wide() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (1000, 101)).save(buffer, "PNG")
    return buffer.getvalue()


def test_bytes_of_a_batch_are_those_of_the_pixels(vision: Vision) -> None:
    """The byte limit of a batch counts decoded pixels, not the compressed file."""
    assert vision.stage.size_bytes(prepare(vision, request(photo(1)))) == 56 * 56 * 3


def test_without_a_model(store: ModelStore, backbone: Backbone) -> None:
    """Requests are told that no model is published, and the worker is not ready."""
    vision = Vision(store, backbone)
    with pytest.raises(NoModel):
        vision.stage.prepare(request(photo(1)))
    assert vision.stage.ready() == ["no model version is published"]


def test_a_swap_under_a_batch(vision: Vision, store: ModelStore, backbone: Backbone) -> None:
    """A photo is searched in the version that it was decoded for, even in one batch with photos of the next one."""
    early = prepare(vision, request(photo(100), "early"))
    build(store, "v2", backbone, range(50, 60))
    vision.make_live("v2")
    late = prepare(vision, request(photo(100), "late"))
    found = decoded(vision.stage.run([late, early, late]))
    assert [(hits.id, hits.model) for hits in found] == [("late", "v2"), ("early", "v1"), ("late", "v2")]
    assert all(image.id.startswith(hits.model) for hits in found for image in hits.images)
    assert vision.loaded == ["tiny"]  # the backbone was not loaded again for the same network


def test_a_model_of_another_backbone_is_refused(store: ModelStore, backbone: Backbone) -> None:
    """The same network with other weights: the message names the field, and a version that was open stays."""
    build(store, "v1", backbone, range(3))
    other = backbone_spec(backbone).model_copy(update={"weights_sha256": "f" * 64})
    build(store, "v2", backbone, range(3), backbone=other)
    vision = Vision(store, backbone)
    vision.make_live("v1")
    with pytest.raises(ModelMismatch, match="weights_sha256"):
        vision.models.open("v2")
    vision.version = "v2"
    vision.live.poll()
    assert vision.live.version == "v1"
    assert len(run(vision, request(photo(1)))[0].images) == 3


def test_counts_must_agree(store: ModelStore, backbone: Backbone) -> None:
    """An index, a table and a manifest of different lengths are no version."""
    build(store, "v1", backbone, range(3), images=4)
    with pytest.raises(ModelDamaged, match="3 image vectors and 3 images where its manifest says 4"):
        Vision(store, backbone).models.open("v1")


@pytest.mark.parametrize("name", [IMAGES, IMAGE_INDEX])
def test_files_outside_the_manifest_are_still_needed(store: ModelStore, backbone: Backbone, name: str) -> None:
    """A manifest that lists no files does not let a missing or unreadable one pass as a stack trace."""
    build(store, "v1", backbone, range(3))
    folder = store.folder / "v1"
    listed = store.manifest("v1")
    (folder / "manifest.json").write_text(listed.model_copy(update={"files": {}}).to_json())
    (folder / name).write_bytes(b"something else")
    with pytest.raises(ModelDamaged, match="again"):
        Vision(store, backbone).models.open("v1")
    (folder / name).unlink()
    with pytest.raises(ModelDamaged):
        Vision(store, backbone).models.open("v1")


class Remembering:
    """A vision stage with a content cache, around a backbone that counts; serves the photos 0 to 29 as v1."""

    def __init__(
        self,
        store: ModelStore,
        backbone: Backbone,
        *,
        cache_entries: int = 10,
        cache: type[ContentCache] = ContentCache,
    ) -> None:
        self.backbone = CountingBackbone(backbone)
        self.vision = Vision(store, self.backbone, cache_entries=cache_entries, cache=cache)
        build(store, "v1", backbone, range(CATALOGUE))
        self.vision.make_live("v1")

    def hits(self, seed: int, **options: Any) -> Hits:
        """Ask for a photo as its worker does: at once where it is known, else in a batch."""
        prepared = self.vision.stage.prepare(request(photo(seed), **options))
        outcomes = [prepared] if isinstance(prepared, HandOver) else self.vision.stage.run([prepared])
        (hits,) = decoded(outcomes)
        assert hits.cached == isinstance(prepared, HandOver)
        return hits

    @property
    def embedded(self) -> int:
        """Photos that went through the network."""
        return sum(self.backbone.embedded)


@pytest.fixture
def remembering(store: ModelStore, backbone: Backbone) -> Remembering:
    return Remembering(store, backbone)


@pytest.mark.parametrize(("cache_entries", "embedded"), [(10, 1), (0, 2)], ids=["on", "off"])
def test_equal_bytes_are_computed_once(
    store: ModelStore, backbone: Backbone, cache_entries: int, embedded: int
) -> None:
    """A photo seen before gets the same images without decoding, forward pass or search; with the cache off it is
    computed again, to the same images."""
    remembering = Remembering(store, backbone, cache_entries=cache_entries)
    first, second = remembering.hits(100, id="r1"), remembering.hits(100, id="r2")
    assert remembering.embedded == embedded
    assert (first.cached, second.cached) == (False, embedded == 1)
    assert (first.id, second.id) == ("r1", "r2")
    assert first.images == second.images
    assert second.timings_ms["queue"] == 25.0
    assert set(second.timings_ms) == {"queue", "decode", "embed", "search"}
    if second.cached:
        assert sum(second.timings_ms.values()) == 25.0
    remembering.hits(101)
    assert remembering.embedded == embedded + 1


def test_known_photos_are_asked_for_as_differently_as_others(remembering: Remembering) -> None:
    """How many songs, of how many images, for whom: each request gets what it asks for, of one computation."""
    fresh = remembering.hits(100, images_k=5)
    asked: list[dict[str, Any]] = [
        {"images_k": 3, "top_k": 7, "songs_per_image": 4, "user": "someone", "user_weight": 0.3, "trace": "00-abc"},
        {"images_k": 5, "top_k": 40},
        {"images_k": 1, "user": "somebody else"},
    ]
    for options in asked:
        known = remembering.hits(100, **options)
        assert known.cached
        assert known.images == fresh.images[: options["images_k"]]
        for name in options.keys() - {"images_k"}:
            assert getattr(known, name) == options[name]
        assert known.user == options.get("user")
    assert remembering.embedded == 1


def test_a_deeper_ask_is_computed(remembering: Remembering) -> None:
    """More images than were searched for a photo are searched for, and are then known to all who ask for fewer."""
    shallow = remembering.hits(100, images_k=5)
    deep = remembering.hits(100, images_k=8)
    assert (deep.cached, len(deep.images), remembering.embedded) == (False, 8, 2)
    assert deep.images[:5] == shallow.images
    assert [remembering.hits(100, images_k=k).images for k in (8, 5)] == [deep.images, shallow.images]
    assert remembering.embedded == 2


def test_all_images_of_a_small_catalogue_are_enough(remembering: Remembering) -> None:
    """Who asks for more images than the catalogue has is answered from the cache too, once all are known."""
    assert [len(remembering.hits(100, images_k=100).images) for _ in range(2)] == [CATALOGUE, CATALOGUE]
    assert remembering.embedded == 1


def test_equal_photos_in_one_batch(remembering: Remembering) -> None:
    """Neither waits for the other: both are computed, and the next one is known, as deep as the deeper of the two."""
    stage = remembering.vision.stage
    pair = [prepare(remembering.vision, request(photo(100), f"r{k}", images_k=k)) for k in (2, 6)]
    shallow, deep = decoded(stage.run(pair))
    assert (len(shallow.images), len(deep.images), remembering.embedded) == (2, 6, 2)
    assert remembering.hits(100, images_k=6).images == deep.images
    assert remembering.embedded == 2


def test_what_is_known_expires(remembering: Remembering) -> None:
    """After its time a photo is computed again, and known again from then on."""
    remembering.hits(100)
    remembering.vision.clock.now_s += CACHE_TTL_S - 1
    assert remembering.hits(100).cached
    remembering.vision.clock.now_s += 1
    assert not remembering.hits(100).cached
    assert remembering.hits(100).cached
    assert remembering.embedded == 2


def test_what_is_known_is_bounded(store: ModelStore, backbone: Backbone) -> None:
    """Of three photos a cache of two knows the last two."""
    remembering = Remembering(store, backbone, cache_entries=2)
    for seed in (100, 101, 102):
        remembering.hits(seed)
    assert [remembering.hits(seed).cached for seed in (102, 101, 100)] == [True, True, False]


class OfAnyVersion(ContentCache):
    """The mistake: a photo's neighbours of whatever version."""

    def key(self, image: bytes, version: str) -> Key | None:
        return super().key(image, "any")


def ask_over_a_swap(remembering: Remembering, store: ModelStore, backbone: Backbone) -> list[Hits]:
    """One photo: before a swap, in a batch that straddles it, after it, and after the way back."""
    vision = remembering.vision
    build(store, "v2", backbone, range(50, 80))
    found = [remembering.hits(100)]
    straddling = prepare(vision, request(photo(101)))
    vision.make_live("v2")
    found += [remembering.hits(100), *decoded(vision.stage.run([straddling])), remembering.hits(101)]
    vision.make_live("v1")
    return [*found, remembering.hits(100), remembering.hits(101)]


def test_never_the_neighbours_of_another_version(
    remembering: Remembering, store: ModelStore, backbone: Backbone
) -> None:
    """Hits name the version that is live, and their images are of that version, known or not, over swaps and back."""
    found = ask_over_a_swap(remembering, store, backbone)
    assert [hits.model for hits in found] == ["v1", "v2", "v1", "v2", "v1", "v1"]
    assert [hits.cached for hits in found] == [False, False, False, False, True, True]
    for hits, seed in zip(found, (100, 100, 101, 101, 100, 101), strict=True):
        catalogue = range(CATALOGUE) if hits.model == "v1" else range(50, 80)
        vectors = features(backbone, [photo(number) for number in catalogue])
        nearest = np.argsort(np.linalg.norm(vectors - features(backbone, [photo(seed)]), axis=1), kind="stable")[:5]
        assert [image.id for image in hits.images] == [f"{hits.model}-{catalogue[number]}" for number in nearest]


def test_without_the_version_they_would_be_mixed(store: ModelStore, backbone: Backbone) -> None:
    """The same swaps, with a cache that takes content alone for a key: photos get what another version found."""
    found = ask_over_a_swap(Remembering(store, backbone, cache=OfAnyVersion), store, backbone)
    assert found[1].cached
    assert [image.distance for image in found[1].images] == [image.distance for image in found[0].images]


def test_a_refused_photo_is_not_known(remembering: Remembering) -> None:
    """What cannot be decoded is looked at each time: no refusal is remembered."""
    for _ in range(2):
        with pytest.raises(BadImage):
            remembering.vision.stage.prepare(request(b"this is no photo"))
    assert len(remembering.vision.cache) == 0
