"""`songlens dead`: what workers gave up on is looked at, replayed and dropped, by the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from fake_worker import FakeWorker, create_groups, delivery_of

from songlens import Client, InternalError
from songlens_shared import functions
from songlens_shared.codec import encode_reply
from songlens_shared.keys import INTERACTIVE, VISION_GROUP, PartitionKeys, partition_of
from songlens_shared.messages import error_reply
from songlens_shared.streams import stream_entries
from songlens_workers.embedded import EmbeddedBroker

PARTITIONS = 2
PHOTO = b"\xff\xd8 a photo that somebody took"

Dead = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def dead(broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dead:
    """Run `songlens dead ...` on this test's server, whose queue has two partitions."""
    monkeypatch.setenv("SONGLENS_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "songlens", "dead", *arguments, "--redis", broker.url]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    return run


def bury(connection: redis.Redis, client: Client, id: str, *, keep_payload: bool = True) -> None:
    """Submit a photo and give up on it, as a worker does after the last delivery."""
    client.submit(PHOTO, id=id)
    create_groups(connection, PARTITIONS)
    at = PartitionKeys(partition_of(id, PARTITIONS))
    stream = at.requests(INTERACTIVE)
    [(_, [entry])] = stream_entries(connection.xreadgroup(VISION_GROUP, "w", {stream: ">"}, count=1))
    reply = encode_reply(error_reply(id, InternalError()))
    call = functions.bury(
        delivery_of(at, stream, entry), reply, stage="vision", error="it [failed]", keep_payload=keep_payload
    )
    assert call.on(connection) == 1


def letters(dead: Dead) -> dict[str, dict[str, object]]:
    """The letters that the command lists, by request."""
    rows = [json.loads(line) for line in dead("list", "--json").stdout.splitlines()]
    return {row["request"]: row for row in rows}


def test_letters_are_listed_shown_replayed_and_dropped(
    dead: Dead, broker: EmbeddedBroker, connection: redis.Redis
) -> None:
    """In both partitions; a replayed one is answered like any request, a dropped one leaves nothing."""
    ids = ["r1", "r2", "r3", "r4"]
    assert {partition_of(id, PARTITIONS) for id in ids} == {0, 1}
    with Client(broker.url, name="app", partitions=PARTITIONS) as client:
        assert dead("list").stdout == "No dead letters.\n"
        for id in ids:
            bury(connection, client, id)
        listed = letters(dead)
        assert set(listed) == set(ids)
        assert "it [failed]" in dead("list").stdout
        shown = dead("show", str(listed["r1"]["id"])).stdout
        assert "request  r1" in shown and "client  app" in shown and "it [failed]" in shown
        assert "somebody took" not in shown

        said = dead("replay", str(listed["r1"]["id"])).stdout
        assert said == f"{listed['r1']['id']}: replayed, request r1\n"
        with FakeWorker(broker.url, partitions=PARTITIONS):
            assert client.result("r1", timeout_s=10).songs
        assert set(letters(dead)) == {"r2", "r3", "r4"}

        assert "request r2" in dead("drop", str(listed["r2"]["id"])).stdout
        assert dead("drop", "--all", "--stage", "songs").stdout == ""
        assert dead("drop", "--all").stdout.count("dropped") == 2
    assert letters(dead) == {}
    assert sum(connection.xlen(PartitionKeys(number).dead) for number in range(PARTITIONS)) == 0


def test_mistakes_are_told(dead: Dead, broker: EmbeddedBroker, connection: redis.Redis) -> None:
    """An unknown letter, no letter, all and some, a letter without its photo: a sentence each, and nothing happens."""
    with Client(broker.url, partitions=PARTITIONS) as client:
        bury(connection, client, "r1", keep_payload=False)
    [letter] = letters(dead).values()
    name = str(letter["id"])
    for arguments, sentence in {
        ("show", "0:1-1"): "there is no dead letter 0:1-1; `songlens dead list` shows",
        ("show", "nonsense"): "there is no dead letter nonsense",
        ("show", "7:1-1"): "there is no dead letter 7:1-1",
        ("replay",): "Name the dead letters, or all of them with --all",
        ("drop", name, "--stage", "vision"): "or all of them with --all, perhaps of one --stage",
        ("drop", name, "--all"): "Name the dead letters, or all of them with --all",
        ("replay", name): "has no payload to replay (dead_payloads is off); submit the photo again",
    }.items():
        ran = dead(*arguments)
        assert ran.returncode != 0, arguments
        assert sentence in ran.stderr, arguments
    assert set(letters(dead)) == {"r1"}
