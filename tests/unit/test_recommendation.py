"""From a reply to what a person gets."""

from __future__ import annotations

import pytest

from songlens import Recommendation
from songlens_shared.errors import REQUEST_ERRORS, RequestError
from songlens_shared.messages import NeighbourImage, Personal, Reply, Song, Via, error_reply


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


@pytest.mark.parametrize("error", REQUEST_ERRORS.values())
def test_error_replies_raise(error: type[RequestError]) -> None:
    """Each code becomes its exception."""
    with pytest.raises(error, match="why"):
        Recommendation.from_reply(error_reply("r1", error("why")))
