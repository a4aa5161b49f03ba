"""docs/protocol.md, its test vectors and the code say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgpack
import pytest

from songlens_shared import functions, keys
from songlens_shared.codec import decode_hits, decode_reply, decode_request, encode_hits, encode_reply, encode_request
from songlens_shared.errors import REQUEST_ERRORS, RequestError
from songlens_shared.functions import Call, Delivery
from songlens_shared.keys import LANES, ModelKeys, PartitionKeys, partition_of
from songlens_shared.messages import (
    BOUNDS,
    DTYPES,
    MAX_IMAGE_BYTES,
    MAX_TEXT_BYTES,
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

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
VECTORS = json.loads(Path(__file__).with_name("protocol_vectors.json").read_text(encoding="utf-8"))
QUOTED = (
    "request",
    "request-least",
    "request-features",
    "hits",
    "reply-ok",
    "reply-cached",
    "reply-features",
    "reply-error",
)

Codec = tuple[Callable[[Any], bytes], Callable[[bytes], Any]]
CODECS: dict[str, Codec] = {
    "request": (encode_request, decode_request),
    "hits": (encode_hits, decode_hits),
    "reply": (encode_reply, decode_reply),
}


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def with_bytes(value: Any) -> Any:
    """A vector's JSON as msgpack gives it: {"hex": ...} stands for bytes."""
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"]) if set(value) == {"hex"} else {k: with_bytes(v) for k, v in value.items()}
    return [with_bytes(item) for item in value] if isinstance(value, list) else value


def build(kind: type, message: dict[str, Any], **built: Any) -> Any:
    """Make a message of the fields that this version knows; nil is an absent field."""
    known = {f.name: message[f.name] for f in fields(kind) if message.get(f.name) is not None}
    return kind(**{**known, **{name: value for name, value in built.items() if name in message}})


def image_of(message: dict[str, Any]) -> Any:
    return build(NeighbourImage, message, keywords=tuple(message["keywords"]))


def expected(kind: str, message: dict[str, Any]) -> Any:
    """The message that a vector describes, made without the codec."""
    images = tuple(image_of(image) for image in message.get("images", ()))
    if kind == "request":
        return build(Request, message)
    if kind == "hits":
        return build(Hits, message, images=images)
    songs = tuple(build(Song, song, via=Via(**song["via"])) for song in message.get("songs", ()))
    error = Failure(**message["error"]) if "error" in message else None
    personal = Personal(**message["personal"]) if "personal" in message else None
    features = FeatureData(**message["features"]) if "features" in message else None
    return build(Reply, message, images=images, songs=songs, error=error, personal=personal, features=features)


@pytest.mark.parametrize("vector", named(VECTORS["messages"]))
def test_hex_is_the_message(vector: dict[str, Any]) -> None:
    """Any msgpack library reads out of the hex what the JSON beside it says, in that order."""
    unpacked = msgpack.unpackb(bytes.fromhex(vector["hex"]))
    assert unpacked == with_bytes(vector["message"])
    assert list(unpacked) == list(vector["message"])


@pytest.mark.parametrize("vector", named(VECTORS["messages"]))
def test_codec_reads_and_writes_the_vector(vector: dict[str, Any]) -> None:
    """Our decoder gets the message, and our encoder gives it back: byte for byte where the vector is our writing."""
    encode, decode = CODECS[vector["kind"]]
    payload = bytes.fromhex(vector["hex"])
    message = expected(vector["kind"], with_bytes(vector["message"]))
    assert decode(payload) == message
    assert decode(encode(message)) == message
    assert (encode(decode(payload)) == payload) == vector["canonical"]


@pytest.mark.parametrize("vector", named(VECTORS["refused"]))
def test_refused_with_its_code(vector: dict[str, Any]) -> None:
    """What breaks a rule is refused with the code that the page promises, and never with another kind of error."""
    _, decode = CODECS[vector["kind"]]
    with pytest.raises(RequestError) as raised:
        decode(bytes.fromhex(vector["hex"]))
    assert raised.value.code == vector["code"]


def crc16(text: str) -> int:
    """CRC-16/XMODEM bit by bit, as the page describes it."""
    crc = 0
    for byte in text.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in VECTORS["partitions"]])
def test_partition(vector: dict[str, Any]) -> None:
    """Request ids lie in the partitions of the vectors, by our code and by the CRC's definition."""
    assert crc16(vector["id"]) == vector["crc16"]
    for partitions, partition in vector["partition_of"].items():
        assert partition_of(vector["id"], int(partitions)) == vector["crc16"] % int(partitions) == partition


def test_crc_is_the_published_one() -> None:
    """The check value of CRC-16/XMODEM in the Redis Cluster specification is 0x31C3."""
    assert crc16("123456789") == 0x31C3


def blocks(language: str) -> dict[str, str]:
    """The page's fenced blocks of one language, by name."""
    found = re.findall(rf"^```{language} (\S+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return dict(found)


def section(heading: str) -> str:
    """What stands under a heading of the page."""
    return re.split(r"^#+ ", PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each table row."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split(" |")]


def field_names(heading: str) -> list[str]:
    """The fields that the first table under a heading lists."""
    return [name for row in list(rows(section(heading)))[1:] for name in re.findall(r"`(\w+)`", row[0])]


def test_page_quotes_the_vectors() -> None:
    """The page shows the same messages and the same hex as the file of vectors."""
    by_name = {vector["name"]: vector for vector in VECTORS["messages"]}
    shown, hexes = blocks("json"), blocks("hex")
    assert tuple(shown) == tuple(hexes) == QUOTED
    for name in QUOTED:
        assert json.loads(shown[name]) == by_name[name]["message"]
        assert re.sub(r"\s", "", hexes[name]) == by_name[name]["hex"]


def test_page_quotes_the_partitions() -> None:
    """The page's table of partitions is that of the vectors."""
    header, *table = rows(section("Partitions"))
    counts = [name.removeprefix("of ") for name in header[2:]]
    shown = [
        {
            "id": row[0].strip("`"),
            "crc16": int(row[1]),
            "partition_of": dict(zip(counts, map(int, row[2:]), strict=True)),
        }
        for row in table
    ]
    assert shown == VECTORS["partitions"]


def names(kind: type) -> list[str]:
    return [f.name for f in fields(kind)]


@pytest.mark.parametrize(
    ("heading", "kind"), [("Request", Request), ("Hits", Hits), ("Reply", Reply)], ids=["request", "hits", "reply"]
)
def test_page_lists_every_field(heading: str, kind: type) -> None:
    """Each message's table has every field of the message, and no other."""
    inner = {"Hits": ["keyword", *names(NeighbourImage)], "Reply": [*names(Song), *names(FeatureData)]}.get(heading, [])
    assert sorted(field_names(heading)) == sorted(["v", *names(kind), *inner])
    for map_ in (Via, Personal):
        assert set(names(map_)) <= set(re.findall(r"`(\w+)`", section("Reply")))


def test_page_gives_bounds_and_defaults() -> None:
    """Bounds and defaults of the request's options are those that the code checks."""
    table = {name: row for row in rows(section("Request")) for name in re.findall(r"`(\w+)`", row[0])}
    defaults = {f.name: f.default for f in fields(Request)}
    for name, (least, most) in BOUNDS.items():
        assert table[name][2:4] == [f"{least:,} to {most:,}", f"{defaults[name]:,}"]
    assert f"1 to {MAX_IMAGE_BYTES:,} bytes" in table["image"][2]
    assert f"up to {MAX_TEXT_BYTES:,} bytes" in table["user"][2]
    assert table["user_weight"][2] == "0 to 1"
    assert table["lane"][2:4] == [", ".join(f"`{lane}`" for lane in LANES), f"`{defaults['lane']}`"]
    assert table["want"][2:4] == [", ".join(f"`{want}`" for want in WANTS), f"`{defaults['want']}`"]
    dtypes = ", ".join(f"`{dtype}`" for dtype in DTYPES)
    assert table["features_dtype"][2:4] == [dtypes, f"`{defaults['features_dtype']}`"]


def test_page_lists_every_error_code() -> None:
    """The closed list of error codes is that of the error tree."""
    assert field_names("Error codes") == list(REQUEST_ERRORS)


def test_page_lists_every_key() -> None:
    """Every key that the code can make stands in the table of keys, and the retention times with it."""
    at, model = PartitionKeys(0), ModelKeys("V")
    made = [
        *(at.requests(lane) for lane in LANES),
        at.bytes_of(at.requests("LANE")),
        at.hits,
        at.bytes_of(at.hits),
        at.dead,
        at.trimmed,
        at.limits,
        at.result("ID"),
        at.place("ID"),
        at.user("ID").replace(keys.user_digest("ID"), "DIGEST"),
        at.replies("CLIENT"),
        at.reply_channel("CLIENT"),
        keys.WORKERS,
        keys.MODEL_CURRENT,
        keys.MODEL_PREVIOUS,
        keys.MODEL_VERSIONS,
        keys.USERS_FORGOTTEN,
        keys.USERS_FORGETS,
        model.manifest,
        *(key(0)[:-1] + "B" for key in (model.image_vectors, model.song_vectors, model.user_vectors, model.song_cards)),
    ]
    text = section("Keys")
    listed = {name for row in rows(text) for name in re.findall(r"`(sl:[^`]+)`", row[0])}
    assert listed == {key.replace("{0}", "{P}") for key in made}
    for number in (
        keys.RESULT_TTL_S,
        f"{keys.FEATURES_TTL_S} s",
        f"{keys.REPLIES_TTL_S:,}",
        f"{keys.REPLIES_MAX_LENGTH:,}",
    ):
        assert str(number) in text


AT = PartitionKeys(0)
DELIVERY = Delivery(
    keys=AT,
    stream=AT.requests("bulk"),
    group=keys.VISION_GROUP,
    entry_id=b"1-0",
    payload=b"payload",
    request_id="id",
    client="client",
    deadline_ms=1,
)
CALLS = [
    functions.submit(AT, Request(id="id", client="client", image=b"x", user="somebody"), b"payload"),
    functions.hand_over(DELIVERY, AT.hits, b"payload"),
    functions.finish_with_notice(DELIVERY, b"reply"),
    functions.bury(DELIVERY, b"reply", stage="vision", error="why"),
    functions.cancel(AT, "id", b"reply", seen=(AT.hits, b"1-0")),
    functions.replay(AT, b"1-0", {b"source": DELIVERY.stream.encode(), b"id": b"id"}, ttl_ms=1, user="somebody"),
]


def last_number(heading: str, table: str) -> int:
    """The number of the last key or argument in a function's table."""
    text = section(heading).split(f"| {table} |", 1)[1].split("\n\n", 1)[0]
    return max(int(row[0].split(" to ")[-1]) for row in rows(text) if row[0][:1].isdigit())


@pytest.mark.parametrize("call", CALLS, ids=[call.function for call in CALLS])
def test_page_counts_keys_and_arguments(call: Call) -> None:
    """The page gives each function as many keys and arguments as our own callers send."""
    assert (last_number(call.function, "KEYS"), last_number(call.function, "ARGV")) == (len(call.keys), len(call.args))


def test_page_lists_every_function() -> None:
    """Each function of the library has a section of its own, and none is described that does not exist."""
    registered = re.findall(r"'(songlens_\w+)'", functions.library_source())
    assert re.findall(r"^### (songlens_\w+)$", PAGE, flags=re.MULTILINE) == registered
