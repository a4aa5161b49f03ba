"""Requests for features in the vision stage, with the tiny backbone and versions on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from vision_stages import CACHE_TTL_S, CountingBackbone, Vision, build, decoded, features, photo, request

from songlens_shared.errors import BadImage, BadRequest, NoModel
from songlens_shared.messages import Reply
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.stage import Answer, HandOver, Outcome, Work
from songlens_workers.vision import tiny
from songlens_workers.vision.backbone import Backbone, Features
from songlens_workers.vision.features import FeaturesWork, feature_bytes
from songlens_workers.vision.model import VisionModel, backbone_spec
from songlens_workers.vision.preprocess import Pixels
from songlens_workers.vision.stage import PhotoWork


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.set_num_threads(1)
    return tiny.load(device="cpu")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "models"))


@pytest.fixture
def counting(backbone: Backbone) -> CountingBackbone:
    return CountingBackbone(backbone)


@pytest.fixture
def vision(store: ModelStore, backbone: Backbone, counting: CountingBackbone) -> Vision:
    """A stage that serves version v1, whose images are the photos 0 to 9, and remembers what it searched."""
    build(store, "v1", backbone, range(10))
    vision = Vision(store, counting, cache_entries=10)
    vision.make_live("v1")
    return vision


def wanting(seed: int, **options: Any) -> Work:
    return request(photo(seed), f"f{seed}", want="features", **options)


def prepared(vision: Vision, *batch: Work) -> list[PhotoWork | FeaturesWork]:
    """Prepare photos of which none is in the content cache."""
    items = [vision.stage.prepare(work) for work in batch]
    return [item for item in items if not isinstance(item, HandOver)]


def replies(outcomes: Sequence[Outcome]) -> list[Reply]:
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    return [outcome.reply for outcome in outcomes if isinstance(outcome, Answer)]


def ask(vision: Vision, *batch: Work) -> list[Reply]:
    return replies(vision.stage.run(prepared(vision, *batch)))


def numbers(reply: Reply) -> npt.NDArray[Any]:
    """The numbers of a reply with features."""
    assert reply.features is not None
    found = np.frombuffer(reply.features.data, {"float32": "<f4", "float16": "<f2"}[reply.features.dtype])
    assert len(found) == reply.features.dimensions
    return found


def test_features_are_those_of_the_backbone(vision: Vision, backbone: Backbone) -> None:
    """A batch's features are the rows that the backbone gives for the same photos, with who made them and how long."""
    answers = ask(vision, *(wanting(seed) for seed in (100, 101, 102)))
    expected = features(backbone, [photo(seed) for seed in (100, 101, 102)])
    np.testing.assert_allclose(np.stack([numbers(reply) for reply in answers]), expected, atol=1e-6)
    first = answers[0]
    assert (first.id, first.status, first.model, first.songs, first.images) == ("f100", "ok", "v1", (), ())
    assert first.features is not None
    assert (first.features.dtype, first.features.dimensions) == ("float32", tiny.DIMENSIONS)
    assert first.features.backbone == backbone_spec(backbone).fingerprint
    assert list(first.timings_ms) == ["queue", "decode", "embed", "total"]
    assert first.timings_ms["queue"] == 25.0


def test_half_the_size_is_rounded(vision: Vision, backbone: Backbone) -> None:
    """In float16 each number is the nearest that there is."""
    (reply,) = ask(vision, wanting(100, features_dtype="float16"))
    expected = features(backbone, [photo(100)])[0]
    assert reply.features is not None
    assert len(reply.features.data) == 2 * tiny.DIMENSIONS
    np.testing.assert_allclose(numbers(reply), expected, rtol=2**-11, atol=1e-7)


def test_songs_and_features_share_a_batch(vision: Vision, counting: CountingBackbone, backbone: Backbone) -> None:
    """All go through one forward pass, each gets what it wants, and the songs' hits are those that they get alone."""
    batch = [
        request(photo(100), "r100", images_k=3),
        wanting(101),
        request(photo(5), "r5", images_k=7),
        wanting(102, features_dtype="float16"),
    ]
    outcomes = vision.stage.run(prepared(vision, *batch))
    assert counting.embedded == [4]
    hits = decoded([outcomes[0], outcomes[2]])
    assert [(each.id, len(each.images)) for each in hits] == [("r100", 3), ("r5", 7)]
    assert hits[1].images[0].id == "v1-5"
    assert set(hits[0].timings_ms) == {"queue", "decode", "embed", "search"}
    answers = replies([outcomes[1], outcomes[3]])
    assert [reply.id for reply in answers] == ["f101", "f102"]
    for reply, seed in zip(answers, (101, 102), strict=True):
        np.testing.assert_allclose(numbers(reply), features(backbone, [photo(seed)])[0], rtol=1e-3, atol=1e-6)
    vision.clock.now_s += CACHE_TTL_S
    (alone,) = decoded(vision.stage.run(prepared(vision, request(photo(100), images_k=3))))
    assert [image.id for image in alone.images] == [image.id for image in hits[0].images]


class Unsearchable:
    """An index that must not be asked."""

    def __len__(self) -> int:
        return 10


def test_features_alone_are_not_searched(store: ModelStore, backbone: Backbone, vision: Vision) -> None:
    """A batch that wants features only never comes near the index, nor the content cache."""
    version, model = vision.live.get()
    unsearchable = VisionModel(
        embedder=model.embedder,
        index=Unsearchable(),  # type: ignore[arg-type]
        image_ids=model.image_ids,
        keywords=model.keywords,
    )
    vision.live._open = version, unsearchable
    assert len(ask(vision, wanting(100), wanting(101))) == 2
    assert len(vision.cache) == 0


def test_a_known_photo_is_embedded_for_its_features(vision: Vision, counting: CountingBackbone) -> None:
    """The content cache has neighbours, no features: the same bytes go through the backbone once more."""
    vision.stage.run(prepared(vision, request(photo(100))))
    assert isinstance(vision.stage.prepare(request(photo(100))), HandOver)
    (reply,) = ask(vision, request(photo(100), want="features"))
    assert reply.features is not None
    assert counting.embedded == [1, 1]


def test_features_of_another_backbone_are_refused(vision: Vision, backbone: Backbone) -> None:
    """Before the photo is decoded; the sentence names both. The worker's own fingerprint passes."""
    fingerprint = backbone_spec(backbone).fingerprint
    with pytest.raises(BadRequest, match=rf"'vgg19-0123456789ab' are wanted, and this vision worker has {fingerprint}"):
        vision.stage.prepare(request(b"no photo", want="features", backbone="vgg19-0123456789ab"))
    (reply,) = ask(vision, wanting(100, backbone=fingerprint))
    assert reply.features is not None


def test_a_backbone_means_nothing_to_songs(vision: Vision) -> None:
    """A request for songs gets them, whatever it says of features."""
    (hits,) = decoded(vision.stage.run(prepared(vision, request(photo(100), backbone="other"))))
    assert len(hits.images) == 5


def test_a_bad_photo_fails_alone(vision: Vision) -> None:
    """It is refused while it is prepared, as for songs."""
    with pytest.raises(BadImage):
        vision.stage.prepare(request(b"this is no photo", want="features"))
    assert vision.stage.size_bytes(prepared(vision, wanting(1))[0]) == 56 * 56 * 3


class LargeNumbers(CountingBackbone):
    """The tiny backbone, whose features of one photo of a batch, the second, go past float16."""

    def embed(self, pixels: Pixels) -> Features:
        made = super().embed(pixels)
        if len(made) > 1:
            made[1, 7] = -70_000.0
        return made


def test_what_does_not_fit_into_float16_is_refused_alone(store: ModelStore, backbone: Backbone) -> None:
    """Infinity is nobody's feature: the photo is refused, the others of the batch and float32 are not."""
    vision = Vision(store, backbone, first=LargeNumbers(backbone))
    half = {"features_dtype": "float16"}
    fits, refused, plain = vision.stage.run(prepared(vision, wanting(1, **half), wanting(2, **half), wanting(3)))
    assert isinstance(refused, BadRequest)
    assert "70000, does not fit into float16" in refused.message
    assert len(replies([fits, plain])) == 2
    _, large = ask(vision, wanting(1), wanting(2))
    assert numbers(large)[7] == -70_000.0


@pytest.mark.parametrize("limit", [65_504.0, 65_519.0, -65_504.0])
def test_the_largest_numbers_of_float16_fit(limit: float) -> None:
    """65504 is the largest, and what rounds to it passes."""
    assert np.abs(np.frombuffer(feature_bytes(np.array([0, limit], np.float32), "float16"), "<f2")).max() == 65_504


def test_features_before_any_model(store: ModelStore, backbone: Backbone) -> None:
    """A worker with a backbone of its own gives its features, is ready, and has no songs yet."""
    vision = Vision(store, backbone, first=backbone)
    (reply,) = ask(vision, wanting(100))
    np.testing.assert_allclose(numbers(reply), features(backbone, [photo(100)])[0], atol=1e-6)
    assert reply.model is None
    assert vision.stage.ready() == []
    with pytest.raises(NoModel, match="songlens model publish"):
        vision.stage.prepare(request(photo(100)))


def test_features_over_the_first_publish(store: ModelStore, backbone: Backbone) -> None:
    """What was prepared before goes with what comes after in one batch; then both songs and features are served."""
    vision = Vision(store, backbone, first=backbone)
    early = prepared(vision, wanting(100))
    build(store, "v1", backbone, range(10))
    vision.make_live("v1")
    late = prepared(vision, wanting(100), request(photo(7)))
    outcomes = vision.stage.run([*early, *late])
    before, after = replies(outcomes[:2])
    assert (before.model, after.model) == (None, "v1")
    assert before.features == after.features
    assert decoded(outcomes[2:])[0].images[0].id == "v1-7"


def test_a_first_model_of_another_backbone_is_refused(store: ModelStore, backbone: Backbone) -> None:
    """The worker goes on giving features of its own, and is not ready for the songs that it cannot serve."""
    vision = Vision(store, backbone, first=backbone)
    other = backbone_spec(backbone).model_copy(update={"weights_sha256": "f" * 64})
    build(store, "v1", backbone, range(3), backbone=other)
    vision.version = "v1"
    vision.live.poll()
    assert "weights_sha256" in vision.stage.ready()[0]
    (reply,) = ask(vision, wanting(100))
    assert (reply.model, reply.features is not None) == (None, True)
    with pytest.raises(NoModel, match="weights_sha256"):
        vision.stage.prepare(request(photo(100)))


def test_features_without_model_and_backbone(store: ModelStore, backbone: Backbone) -> None:
    """A worker that has neither says what would help."""
    vision = Vision(store, backbone)
    with pytest.raises(NoModel, match="--backbone NAME give features"):
        vision.stage.prepare(wanting(100))
    assert vision.stage.ready() == ["no model version is published"]
