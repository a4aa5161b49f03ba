"""From a reply to what a person gets."""

from __future__ import annotations

import pytest

from songlens import PhotoFeatures, Recommendation
from songlens_shared.errors import REQUEST_ERRORS, BadRequest, RequestError, UnsupportedVersion
from songlens_shared.messages import FeatureData, NeighbourImage, Personal, Reply, Song, Via, error_reply


def test_songs_of_a_reply() -> None:
    """A recommendation holds what the reply holds."""
    song = Song(id="s", title="t", artist="a", distance=0.5, score=0.6, via=Via(image="i", keyword="k", line="l"))
    image = NeighbourImage(id="i", distance=1.0, keywords=("k",))
    personal = Personal(user_weight=0.5, known=True)
    reply = Reply(
        id="r1",
        status="ok",
        model="m1",
        songs=(song,),
        images=(image,),
        timings_ms={"total": 1.0},
        personal=personal,
        cached=True,
    )
    got = Recommendation.from_reply(reply)
    assert got.personal is personal
    assert got.cached is True
    assert (got.id, got.model, got.songs, got.images, got.timings_ms) == ("r1", "m1", (song,), (image,), {"total": 1.0})


def test_a_reply_without_model() -> None:
    """A catalogue without songs gives an empty recommendation, not an error."""
    assert Recommendation.from_reply(Reply(id="r1", status="ok")).model == ""


def test_a_reply_of_an_earlier_release() -> None:
    """A reply that says nothing of a cache was not cached."""
    assert Recommendation.from_reply(Reply(id="r1", status="ok")).cached is False


FEATURES = FeatureData(dtype="float16", dimensions=2, data=b"abcd", backbone="tiny-0123456789ab")


def test_features_of_a_reply() -> None:
    """What the reply holds, before any model is published too."""
    reply = Reply(id="r1", status="ok", timings_ms={"total": 1.0}, features=FEATURES)
    got = PhotoFeatures.from_reply(reply)
    assert (got.id, got.data, got.dtype, got.dimensions) == ("r1", b"abcd", "float16", 2)
    assert (got.backbone, got.model, got.timings_ms) == ("tiny-0123456789ab", None, {"total": 1.0})
    assert "abcd" not in repr(got)


def test_a_reply_of_another_kind() -> None:
    """Songs for features come from a worker that knows none; features are no recommendation without songs."""
    with pytest.raises(UnsupportedVersion, match="the vision workers are of an earlier release"):
        PhotoFeatures.from_reply(Reply(id="r1", status="ok", model="m1"))
    with pytest.raises(BadRequest, match="request r1 asked for features"):
        Recommendation.from_reply(Reply(id="r1", status="ok", features=FEATURES))


@pytest.mark.parametrize("error", REQUEST_ERRORS.values())
def test_error_replies_raise(error: type[RequestError]) -> None:
    """Each code becomes its exception."""
    with pytest.raises(error, match="why"):
        Recommendation.from_reply(error_reply("r1", error("why")))
    with pytest.raises(error, match="why"):
        PhotoFeatures.from_reply(error_reply("r1", error("why")))
