"""Messages to bytes and back, and what becomes of bytes that are no message."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from songlens_shared.codec import (
    decode_hits,
    decode_reply,
    decode_request,
    encode_hits,
    encode_reply,
    encode_request,
    encode_request_pieces,
    user_of,
)
from songlens_shared.errors import BadRequest, ImageTooLarge, RequestError, UnsupportedVersion
from songlens_shared.keys import LANES
from songlens_shared.messages import (
    BOUNDS,
    DTYPES,
    FEATURE_BYTES,
    MAX_IMAGE_BYTES,
    WANTS,
    Failure,
    FeatureData,
    Hits,
    NeighbourImage,
    Personal,
    Reply,
    Request,
    Song,
    Via,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.from_regex(r"[A-Za-z0-9._:@-]{1,128}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**63), 2**64 - 1)


def option(name: str) -> st.SearchStrategy[int]:
    return st.integers(*BOUNDS[name])


REQUESTS = st.builds(
    Request,
    id=NAMES,
    client=NAMES,
    image=st.binary(max_size=200),
    lane=st.sampled_from(LANES),
    top_k=option("top_k"),
    images_k=option("images_k"),
    songs_per_image=option("songs_per_image"),
    user=st.none() | TEXT,
    user_weight=st.none() | st.floats(0, 1),
    ttl_ms=option("ttl_ms"),
    trace=st.none() | TEXT,
    want=st.sampled_from(WANTS),
    backbone=st.none() | TEXT,
    features_dtype=st.sampled_from(DTYPES),
)
IMAGES = st.builds(NeighbourImage, id=TEXT, distance=NUMBERS, keywords=st.lists(TEXT, max_size=4).map(tuple))
TIMINGS = st.dictionaries(TEXT, NUMBERS, max_size=6)
HITS = st.builds(
    Hits,
    id=NAMES,
    client=NAMES,
    model=TEXT,
    images=st.lists(IMAGES, max_size=5).map(tuple),
    top_k=option("top_k"),
    songs_per_image=option("songs_per_image"),
    submitted_ms=WHOLE,
    timings_ms=TIMINGS,
    user=st.none() | TEXT,
    user_weight=st.none() | st.floats(0, 1),
    trace=st.none() | TEXT,
    cached=st.booleans(),
)
SONGS = st.builds(
    Song,
    id=TEXT,
    title=TEXT,
    artist=TEXT,
    distance=NUMBERS,
    score=NUMBERS,
    via=st.builds(Via, image=TEXT, keyword=TEXT, line=TEXT),
)
REPLIES = st.builds(
    Reply,
    id=NAMES,
    status=st.just("ok"),
    model=st.none() | TEXT,
    songs=st.lists(SONGS, max_size=5).map(tuple),
    images=st.lists(IMAGES, max_size=5).map(tuple),
    timings_ms=TIMINGS,
    personal=st.none() | st.builds(Personal, user_weight=st.floats(0, 1), known=st.booleans()),
    cached=st.booleans(),
)
FEATURE_DATA = st.builds(
    lambda numbers, dtype, backbone: FeatureData(
        dtype=dtype, dimensions=numbers, data=bytes(numbers * FEATURE_BYTES[dtype]), backbone=backbone
    ),
    st.integers(1, 9),
    st.sampled_from(DTYPES),
    TEXT,
)
FEATURES_REPLIES = st.builds(
    Reply, id=NAMES, status=st.just("ok"), model=st.none() | TEXT, timings_ms=TIMINGS, features=FEATURE_DATA
)
ERROR_REPLIES = st.builds(
    Reply,
    id=NAMES,
    status=st.just("error"),
    model=st.none() | TEXT,
    timings_ms=TIMINGS,
    error=st.builds(Failure, code=TEXT, message=TEXT),
)

REQUEST = Request(
    id="r1",
    client="app",
    image=b"photo",
    user="u",
    trace="t",
    want="features",
    backbone="tiny-0123456789ab",
    features_dtype="float16",
)
IMAGE = NeighbourImage(id="i1", distance=1.5, keywords=("雪", "江"))
HIT = Hits(
    id="r1",
    client="app",
    model="m1",
    images=(IMAGE,),
    top_k=10,
    songs_per_image=2,
    submitted_ms=1,
    timings_ms={"queue": 1.0},
    user="u",
    trace="t",
    cached=True,
)
SONG = Song(
    id="s1", title="渔歌子", artist="张志和", distance=0.5, score=0.66, via=Via(image="i1", keyword="雪", line="雪")
)
REPLY = Reply(id="r1", status="ok", model="m1", songs=(SONG,), images=(IMAGE,), timings_ms={"total": 2.0}, cached=True)
FEATURES = FeatureData(dtype="float16", dimensions=2, data=b"1234", backbone="tiny-0123456789ab")
FEATURES_REPLY = Reply(id="r1", status="ok", model="m1", timings_ms={"total": 2.0}, features=FEATURES)
ERROR_REPLY = Reply(id="r1", status="error", error=Failure(code="no_model", message="none"))

Decode = Callable[[bytes], object]
CASES: dict[str, tuple[bytes, Decode]] = {
    "request": (encode_request(REQUEST), decode_request),
    "hits": (encode_hits(HIT), decode_hits),
    "reply": (encode_reply(REPLY), decode_reply),
    "features reply": (encode_reply(FEATURES_REPLY), decode_reply),
    "error reply": (encode_reply(ERROR_REPLY), decode_reply),
}
DECODERS: list[Decode] = [decode_request, decode_hits, decode_reply]


@given(REQUESTS)
def test_request_round_trip(request: Request) -> None:
    """Every request that can be made comes out as it went in."""
    assert decode_request(encode_request(request)) == request


@given(HITS)
def test_hits_round_trip(hits: Hits) -> None:
    """Hits come out as they went in, with any number of images."""
    assert decode_hits(encode_hits(hits)) == hits


@given(REPLIES | FEATURES_REPLIES | ERROR_REPLIES)
def test_reply_round_trip(reply: Reply) -> None:
    """Replies with songs, with features and with an error come out as they went in."""
    assert decode_reply(encode_reply(reply)) == reply


def test_hits_tell_their_lane() -> None:
    """The usual one is left out, as by who knows of none here; what is no lane is refused, for metrics are by it."""
    assert "lane" not in msgpack.unpackb(encode_hits(HIT))
    assert decode_hits(encode_hits(HIT)).lane == "interactive"
    bulk = replace(HIT, lane="bulk")
    assert decode_hits(encode_hits(bulk)) == bulk
    with pytest.raises(BadRequest, match="lane"):
        decode_hits(msgpack.packb({**msgpack.unpackb(encode_hits(HIT)), "lane": "of a stranger"}))


def test_the_user_of_a_message() -> None:
    """Of a request and of hits; nobody where none is named, and where the bytes are no message."""
    image: dict[str, Any] = {"id": "r1", "client": "app", "image": b"photo"}
    assert user_of(encode_request(Request(**image, user="某人"))) == "某人"
    hits = Hits(
        id="r1",
        client="app",
        model="v1",
        images=(),
        top_k=1,
        songs_per_image=1,
        submitted_ms=1,
        timings_ms={},
        user="u",
    )
    assert user_of(encode_hits(hits)) == "u"
    assert user_of(encode_request(Request(**image))) is None
    for payload in (b"", b"\x80", b"no message", msgpack.packb({"v": 1, "user": 7})):
        assert user_of(payload) is None


def test_a_request_by_address_round_trip() -> None:
    """A request that names its photo has no image field at all."""
    request = Request(id="r1", client="app", uri="s3://bucket/1.jpg")
    assert "image" not in msgpack.unpackb(encode_request(request))
    assert decode_request(encode_request(request)) == request


def test_the_largest_photo_passes() -> None:
    """A photo at the byte limit can be encoded and decoded."""
    request = Request(id="r1", client="app", image=bytes(MAX_IMAGE_BYTES))
    assert decode_request(encode_request(request)) == request


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 100_000])
def test_a_photo_is_a_piece_of_its_request(size: int) -> None:
    """It is there uncopied, after what msgpack itself would write before so many bytes."""
    image = bytes(size)
    request = Request(id="r1", client="app", image=image)
    before, photo, after = encode_request_pieces(request)
    assert photo is image
    assert before.endswith(msgpack.packb("image") + msgpack.packb(image)[: -size or None])
    assert decode_request(before + photo + after) == request
    assert encode_request(request) == before + photo + after


def test_a_photo_over_the_limit_is_image_too_large() -> None:
    """A raw sender who skips the client's check gets the code that says what is wrong."""
    fields = {"v": 1, "id": "r1", "client": "app", "image": bytes(MAX_IMAGE_BYTES + 1)}
    with pytest.raises(ImageTooLarge):
        decode_request(msgpack.packb(fields))


def test_long_lines_survive() -> None:
    """Lyrics that are one line of 200 kilobytes do not make a reply that nobody can read."""
    long = Song(
        id="s", title="t", artist="a", distance=0.0, score=1.0, via=Via(image="i", keyword="k", line="雪" * 66_667)
    )
    reply = Reply(id="r1", status="ok", songs=(long,))
    assert decode_reply(encode_reply(reply)) == reply


def fields_of(payload: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = msgpack.unpackb(payload)
    return fields


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a message."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, inner in items for found in [(*path, name), *paths(inner, (*path, name))]]


def at(message: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        message = message[name]
    return message


PLACES = [(case, path) for case, (payload, _) in CASES.items() for path in paths(fields_of(payload))]
NOT_READ = {"keyword"}  # of an image: written for other languages, read from `keywords` here


def wrong_values(right: Any) -> list[Any]:
    values = [True, 7, 2.5, "text", b"bytes", [7], {"a": 7}]
    accepted = (int, float) if isinstance(right, float) else (type(right),)
    return [float("nan"), float("-inf"), *(value for value in values if type(value) not in accepted)]


@pytest.mark.parametrize(("case", "path"), PLACES, ids=str)
def test_a_wrong_type_is_refused_by_name(case: str, path: tuple[Any, ...]) -> None:
    """Whatever field holds a value of another type, the sentence names this field (or the list it stands in)."""
    payload, decode = CASES[case]
    *inside, name = path
    named = next(part for part in reversed(path) if isinstance(part, str))
    for wrong in wrong_values(at(fields_of(payload), path)):
        message = fields_of(payload)
        at(message, tuple(inside))[name] = wrong
        if named in NOT_READ and isinstance(inside[-1], int):
            assert decode(msgpack.packb(message))
            continue
        with pytest.raises(RequestError, match=rf"\b{named}\b") as refusal:
            decode(msgpack.packb(message))
        assert refusal.value.code == ("unsupported_version" if path == ("v",) else "bad_request")


REQUIRED = {
    "request": {"id", "client"},
    "hits": {"id", "client", "model", "top_k", "songs_per_image", "submitted_ms"},
    "reply": {"id", "status"},
    "features reply": {"id", "status"},
    "error reply": {"id", "status"},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("absent", ["missing", "nil"])
def test_required_fields(case: str, absent: str) -> None:
    """Each required field is missed by its name; nil stands for an absent one; every other field may be absent."""
    payload, decode = CASES[case]
    for name in fields_of(payload).keys() - {"v"}:
        message = fields_of(payload)
        if absent == "missing":
            del message[name]
        else:
            message[name] = None
        if name in REQUIRED[case]:
            with pytest.raises(BadRequest, match=f"the field '{name}' is missing"):
                decode(msgpack.packb(message))
        elif (case, name) == ("request", "image"):
            with pytest.raises(BadRequest, match="give either image"):
                decode(msgpack.packb(message))
        elif (case, name) == ("error reply", "error"):
            with pytest.raises(BadRequest, match="'error' exactly when its status is 'error'"):
                decode(msgpack.packb(message))
        else:
            assert decode(msgpack.packb(message))


def test_only_a_cached_message_says_so() -> None:
    """The field is not written where it is false, so that an earlier release gets the messages that it knows."""
    assert fields_of(encode_hits(HIT))["cached"] is True
    assert fields_of(encode_reply(REPLY))["cached"] is True
    assert "cached" not in fields_of(encode_hits(replace(HIT, cached=False)))
    assert "cached" not in fields_of(encode_reply(replace(REPLY, cached=False)))


def test_a_request_for_songs_says_nothing_new() -> None:
    """An earlier release gets the fields that it knows; one for features says so, and which type if not the default."""
    songs = Request(id="r1", client="app", image=b"photo")
    assert not fields_of(encode_request(songs)).keys() & {"want", "backbone", "features_dtype"}
    wanted = fields_of(encode_request(replace(songs, want="features")))
    assert (wanted["want"], wanted.keys() & {"backbone", "features_dtype"}) == ("features", set())
    assert list(fields_of(encode_request(REQUEST)))[-3:] == ["want", "backbone", "features_dtype"]


def test_a_reply_with_features_has_no_songs() -> None:
    """Neither songs nor images are written, not even as empty lists."""
    assert list(fields_of(encode_reply(FEATURES_REPLY))) == ["v", "id", "status", "model", "timings_ms", "features"]


def test_absent_options_take_their_defaults() -> None:
    """A client in another language sends four fields and gets the method's defaults."""
    smallest = msgpack.packb({"v": 1, "id": "r1", "client": "app", "image": b"photo"})
    assert decode_request(smallest) == Request(id="r1", client="app", image=b"photo")


@pytest.mark.parametrize("case", CASES)
def test_unknown_fields_are_ignored(case: str) -> None:
    """A newer client may send more, at any level and of any type."""
    payload, decode = CASES[case]
    message = fields_of(payload)
    for path in [(), *paths(message)]:
        if isinstance(at(message, path), dict) and path[-1:] != ("timings_ms",):
            at(message, path)["from_the_future"] = {"nested": [1, None, {"a": b"b"}]}
    assert decode(msgpack.packb(message)) == decode(payload)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", [0, 2, -1, 2**63, True, 1.0, "1", None, [1], {"v": 1}, b"1"])
def test_another_version(case: str, version: object) -> None:
    """Anything but the whole number 1 is another version, and the sentence says which one this side speaks."""
    payload, decode = CASES[case]
    with pytest.raises(UnsupportedVersion, match="this side speaks protocol version 1"):
        decode(msgpack.packb({**fields_of(payload), "v": version}))


def test_a_missing_version() -> None:
    """A map without a version is refused as another version."""
    with pytest.raises(UnsupportedVersion, match="'v' of the message is None"):
        decode_request(msgpack.packb({"id": "r1"}))


def test_whole_numbers_are_accepted_as_floats() -> None:
    """Languages that have one kind of number write 2 for 2.0."""
    image = {"id": "i1", "distance": 3, "keywords": []}
    message = {**fields_of(encode_hits(HIT)), "images": [image], "timings_ms": {"queue": 2}}
    hits = decode_hits(msgpack.packb(message))
    assert (type(hits.images[0].distance), hits.images[0].distance) == (float, 3.0)
    assert hits.timings_ms == {"queue": 2.0}


@pytest.mark.parametrize(
    ("error", "status"), [(None, "error"), ({"code": "no_model", "message": ""}, "ok"), ({}, "ok"), ({}, "error")]
)
def test_status_and_error_agree(error: object, status: str) -> None:
    """A reply that says two things at once is refused, an empty error too."""
    with pytest.raises(BadRequest, match=r"error|code"):
        decode_reply(msgpack.packb({"v": 1, "id": "r1", "status": status, "error": error}))


def nested(depth: int, opening: bytes) -> bytes:
    return b"\x82\xa1v\x01\xa1x" + opening * depth + b"\x01"


HOSTILE = {
    "nothing": b"",
    "not msgpack": b"\xc1",
    "text": b"hello",
    "json": b'{"v": 1}',
    "two messages": encode_request(REQUEST) * 2,
    "cut short": encode_request(REQUEST)[:-1],
    "4 GiB string": b"\x82\xa1v\x01\xa2id\xdb\xff\xff\xff\xff",
    "4 GiB bytes": b"\x82\xa1v\x01\xa5image\xc6\xff\xff\xff\xff",
    "4 G items": b"\x82\xa1v\x01\xa6images\xdd\xff\xff\xff\xff",
    "4 G fields": b"\xdf\xff\xff\xff\xff",
    "long list": b"\x82\xa1v\x01\xa1x\xdc" + struct.pack(">H", 10_001) + b"\x01" * 10_001,
    "deep lists": nested(100_000, b"\x91"),
    "deep maps": nested(100_000, b"\x81\xa1a"),
    "bomb of long lists": nested(5000, b"\xdd\x00\xff\xff\xff"),
    "extension": b"\x82\xa1v\x01\xa2id" + msgpack.packb(msgpack.ExtType(5, b"data")),
    "timestamp": b"\x82\xa1v\x01\xa2id" + msgpack.packb(msgpack.Timestamp(1, 1)),
    "empty timestamp": b"\x82\xa1v\x01\xa2id\xc7\x00\xff",
    "number as key": msgpack.packb({1: 2}),
    "list as key": b"\x81\x91\x01\x01",
    "not UTF-8": b"\x82\xa1v\x01\xa2id\xa2\xff\xfe",
    "surrogate": b"\x82\xa1v\x01\xa2id\xa3\xed\xa0\x80",
    "nil": b"\xc0",
    "list": msgpack.packb([1, 2]),
    "number": msgpack.packb(1),
}


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_message_is_a_bad_request(payload: bytes, decode: Decode) -> None:
    """Hostile bytes end in `bad_request` with a short sentence, without exhausting stack or memory."""
    with pytest.raises(BadRequest) as refusal:
        decode(payload)
    assert len(refusal.value.message) < 300


def test_long_values_are_shown_shortened() -> None:
    """A megabyte in the wrong place is not sent back in the error."""
    for name in ("v", "id", "client", "lane", "uri", "want", "backbone", "features_dtype"):
        message = {**fields_of(encode_request(REQUEST)), name: "雪" * 300_000}
        with pytest.raises(RequestError) as refusal:
            decode_request(msgpack.packb(message))
        assert len(refusal.value.message) < 300


@settings(max_examples=500)
@given(st.binary(max_size=300), st.sampled_from(DECODERS))
def test_random_bytes_raise_request_errors_only(payload: bytes, decode: Decode) -> None:
    """Whatever arrives, a decoder raises nothing but request errors."""
    with pytest.raises(RequestError):
        decode(payload)


VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats() | TEXT | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=500)
@given(st.sampled_from(PLACES), VALUES)
def test_any_value_in_any_place_decodes_or_is_refused(place: tuple[str, tuple[Any, ...]], value: Any) -> None:
    """A valid message with any one value replaced is a message still, or raises a request error."""
    case, path = place
    payload, decode = CASES[case]
    message = fields_of(payload)
    at(message, path[:-1])[path[-1]] = value
    try:
        assert decode(msgpack.packb(message))
    except RequestError as refusal:
        assert refusal.code in ("bad_request", "unsupported_version")


@settings(max_examples=500)
@given(
    st.sampled_from(sorted(CASES)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_messages_decode_or_are_refused(case: str, damage: list[tuple[int, int]]) -> None:
    """A valid message with some bytes changed raises nothing but request errors."""
    payload, decode = CASES[case]
    damaged = bytearray(payload)
    for position, value in damage:
        damaged[position % len(damaged)] = value
    try:
        decode(bytes(damaged))
    except RequestError as refusal:
        assert refusal.code in ("bad_request", "unsupported_version")
