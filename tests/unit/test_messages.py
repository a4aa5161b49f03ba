"""What a request may hold."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.errors import BadRequest, ImageTooLarge, InternalError, NoModel
from songlens_shared.messages import (
    BOUNDS,
    MAX_IMAGE_BYTES,
    MAX_TEXT_BYTES,
    Failure,
    FeatureData,
    Hits,
    NeighbourImage,
    Request,
    check_name,
    error_reply,
)


def request(**fields: Any) -> Request:
    return Request(**{"id": "r1", "client": "app", "image": b"photo", **fields})


def hits(**fields: Any) -> Hits:
    least = {"id": "r1", "client": "app", "model": "m1", "images": (), "top_k": 10, "songs_per_image": 2}
    return Hits(**{**least, "submitted_ms": 1, "timings_ms": {}, **fields})


def test_defaults_are_the_method_of_the_paper() -> None:
    """Five neighbour images, two songs each, ten songs."""
    wanted = request()
    assert (wanted.images_k, wanted.songs_per_image, wanted.top_k) == (5, 2, 10)
    assert (wanted.lane, wanted.ttl_ms) == ("interactive", 30_000)


@pytest.mark.parametrize("name", BOUNDS)
def test_numbers_stay_within_their_bounds(name: str) -> None:
    """The least and the greatest value pass; one less and one more are refused by name."""
    least, most = BOUNDS[name]
    for value in (least, most):
        assert getattr(request(**{name: value}), name) == value
    for value in (least - 1, most + 1, -1, 2**80):
        with pytest.raises(BadRequest, match=f"{name} must be a whole number between {least} and {most}; got {value}"):
            request(**{name: value})


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("value", [True, 2.0, "2", None, float("nan"), [2]])
def test_numbers_are_whole_numbers(name: str, value: object) -> None:
    """What merely looks like a number is refused before it is queued, not by a worker later."""
    with pytest.raises(BadRequest, match=f"{name} must be a whole number"):
        request(**{name: value})


@pytest.mark.parametrize("name", ["user", "trace", "backbone"])
def test_text_fields(name: str) -> None:
    """A string within the limit passes; another type, a lone surrogate and too long a string are refused by name."""
    for value in ("用户", "", None, "x" * MAX_TEXT_BYTES):
        assert getattr(request(**{name: value}), name) == value
    for value in (42, b"bytes", "\ud800", "雪" * (MAX_TEXT_BYTES // 3 + 1)):
        with pytest.raises(BadRequest, match=f"^{name} "):
            request(**{name: value})


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"image": None}, "either image"),
        ({"uri": "s3://bucket/1.jpg"}, "either image"),
        ({"image": "text"}, "image must be bytes; got str"),
        ({"image": bytearray(b"x")}, "image must be bytes; got bytearray"),
        ({"image": None, "uri": 7}, "uri must be a string; got 7"),
        ({"lane": "express"}, "unknown lane 'express'; use one of: interactive, bulk"),
        ({"lane": ["bulk"]}, "unknown lane list"),
        ({"want": "lyrics"}, "unknown want 'lyrics'; use one of: songs, features"),
        ({"want": None}, "unknown want None"),
        ({"features_dtype": "float64"}, "unknown features_dtype 'float64'; use one of: float32, float16"),
        ({"features_dtype": ["float32"]}, "unknown features_dtype list"),
        ({"id": 7}, "id must be 1 to 128 letters.* got 7"),
        ({"client": ""}, "client must be 1 to 128 letters"),
    ],
)
def test_what_cannot_be_is_refused_in_words(fields: dict[str, Any], complaint: str) -> None:
    """The sentence names the field and what is wrong with it."""
    with pytest.raises(BadRequest, match=complaint):
        request(**fields)


def test_a_photo_may_be_given_by_address() -> None:
    """A request has its photo inside or names where it is."""
    assert request(image=None, uri="s3://bucket/1.jpg").image is None
    assert "s3cr3t" not in repr(request(image=None, uri="https://cdn.example.com/1.jpg?token=s3cr3t"))


def test_too_many_bytes_are_their_own_error() -> None:
    """The photo at the limit passes; one byte more is `image_too_large`, with both sizes."""
    assert request(image=bytes(MAX_IMAGE_BYTES))
    with pytest.raises(ImageTooLarge, match=f"has {MAX_IMAGE_BYTES + 1} bytes; the limit is {MAX_IMAGE_BYTES}"):
        request(image=bytes(MAX_IMAGE_BYTES + 1))


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "{0}", "}", "a\n", "雪", "é", "a" * 129, "a*", "a\0", None, 7, b"r1", "\ud800"]
)
def test_names_that_cannot_stand_in_a_key(name: object) -> None:
    """Braces would move the hash tag, others would be ambiguous in logs: refused, and shown shortened."""
    with pytest.raises(BadRequest, match="id must be 1 to 128 letters, digits or any of") as refusal:
        check_name("id", name)  # type: ignore[arg-type]
    assert len(refusal.value.message) < 200
    refusal.value.message.encode()


@given(st.text())
def test_a_name_is_kept_or_refused(name: str) -> None:
    """Whatever string is given, it comes back as it is and is safe in a key, or it is refused."""
    try:
        kept = check_name("id", name)
    except BadRequest:
        return
    assert kept == name
    assert 1 <= len(name) <= 128
    assert name.isascii()
    assert not set(name) & set("{} \t\n*?[]/\\\"'")


@pytest.mark.parametrize("name", ["a", "0", "A.b_c:d@e-f", "f" * 128, "3f2b8c1e-6c1b-4a57-9c0e-0d5c7b2a9f10"])
def test_usual_names_pass(name: str) -> None:
    """UUIDs, e-mail-like and host-like names are fine."""
    assert check_name("id", name) == name


@pytest.mark.parametrize(("dtype", "numbers"), [("float32", 4), ("float16", 8)])
def test_feature_data_goes_together(dtype: str, numbers: int) -> None:
    """As many bytes as the numbers take, and at least one number; the bytes themselves are never shown."""
    data = b"secret secret se"
    made = FeatureData(dtype=dtype, dimensions=numbers, data=data, backbone="b")
    assert "secret" not in repr(made)
    for wrong in (numbers - 1, numbers + 1, 0, -numbers):
        with pytest.raises(BadRequest, match=f"data of 16 bytes are not {wrong} numbers of {dtype}"):
            FeatureData(dtype=dtype, dimensions=wrong, data=data, backbone="b")
    with pytest.raises(BadRequest, match="are not 0 numbers"):
        FeatureData(dtype=dtype, dimensions=0, data=b"", backbone="b")
    with pytest.raises(BadRequest, match="unknown dtype 'int8'"):
        FeatureData(dtype="int8", dimensions=16, data=data, backbone="b")


def test_messages_are_frozen() -> None:
    """A message that has been checked stays what it was."""
    with pytest.raises(FrozenInstanceError):
        request().top_k = 0  # type: ignore[misc]


def test_keyword_of_an_image() -> None:
    """The heaviest keyword speaks for the image; one without keywords has an empty one."""
    assert NeighbourImage(id="i", distance=1.0, keywords=("雪", "江")).keyword == "雪"
    assert NeighbourImage(id="i", distance=1.0, keywords=()).keyword == ""


def test_error_replies_carry_the_error_over() -> None:
    """What a worker raises is what the client raises: class, code and sentence."""
    reply = error_reply("r1", NoModel("publish one"))
    assert reply.error is not None
    raised = reply.error.exception()
    assert (type(raised), raised.message, reply.status, reply.songs) == (NoModel, "publish one", "error", ())


def test_unknown_codes_become_internal() -> None:
    """An error code of a newer protocol does not break an older client."""
    raised = Failure(code="out_of_coffee", message="no coffee").exception()
    assert (type(raised), raised.message) == (InternalError, "no coffee")


def test_photos_are_never_shown() -> None:
    """The text form of a request, as a traceback or log line may show it, holds no byte of the photo."""
    assert "secret" not in repr(Request(id="r1", client="app", image=b"secret pixels"))


@pytest.mark.parametrize("weight", [-0.001, 1.001, float("nan"), float("inf"), True, "0.5", b"1"])
def test_a_user_weight_is_a_share(weight: Any) -> None:
    """Whatever is no number between 0 and 1 is refused, in requests and in hits; the bounds themselves pass."""
    with pytest.raises(BadRequest, match="user_weight must be a number between 0 and 1"):
        request(user="u", user_weight=weight)
    with pytest.raises(BadRequest, match="user_weight"):
        hits(user_weight=weight)
    assert [request(user_weight=bound).user_weight for bound in (0, 1, 0.0, 1.0, None)] == [0, 1, 0.0, 1.0, None]


def test_users_are_never_shown() -> None:
    """The text form of a request and of hits, as a traceback or log line may show it, does not name the user."""
    assert "secret" not in repr(request(user="secret listener"))
    assert "secret" not in repr(hits(user="secret listener"))


@pytest.mark.parametrize("name", ["top_k", "songs_per_image"])
def test_hits_keep_the_bounds_of_requests(name: str) -> None:
    """A foreign writer cannot ask the song stage for more than a request may."""
    numbers = {"top_k": 10, "songs_per_image": 2, name: 10_000}
    with pytest.raises(BadRequest, match=f"{name} must be a whole number between"):
        hits(**numbers)
