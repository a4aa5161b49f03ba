"""`songlens send` and `songlens result`, run as a person runs them, on a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_worker import FakeWorker, one_song

from songlens import Client, NoModel
from songlens_shared.broker import connect
from songlens_shared.keys import PartitionKeys
from songlens_shared.messages import Reply, Request
from songlens_workers.embedded import EmbeddedBroker

Songlens = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def songlens(broker: EmbeddedBroker) -> Songlens:
    """Runs the command against the test's server, whose address it takes from the environment."""
    environment = {**os.environ, "SONGLENS_REDIS_URL": broker.url, "COLUMNS": "140", "NO_COLOR": "1"}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "songlens", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)

    return run


@pytest.fixture
def worker(broker: EmbeddedBroker) -> Iterator[FakeWorker]:
    with FakeWorker(broker.url) as running:
        yield running


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three files; the fake worker does not look at what is in them."""
    paths = [tmp_path / f"照片 [{number}].jpg" for number in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def test_send_shows_songs(songlens: Songlens, worker: FakeWorker, photos: list[Path]) -> None:
    """A table for each photo, in the order given, and status 0."""
    ended = songlens("send", *photos, "--top-k", 3, "--lane", "bulk", "--user", "u1")
    assert (ended.returncode, ended.stderr) == (0, "")
    places = [ended.stdout.index(photo.name) for photo in photos]
    assert places == sorted(places)
    assert ended.stdout.count("孤舟蓑笠翁，独钓寒江雪") == 3
    assert [(request.top_k, request.lane, request.user) for request in worker.seen] == [(3, "bulk", "u1")] * 3


def test_send_for_a_user(songlens: Songlens, worker: FakeWorker, photos: list[Path]) -> None:
    """User and weight travel with the request, and what became of them is shown; a weight out of bounds is refused."""
    shown = songlens("send", photos[0], "--user", "u1", "--user-weight", 0.75)
    assert "Personal: the user's taste has a weight of 0.75." in shown.stdout
    as_json = json.loads(songlens("send", "--json", photos[0], "--user", "u1").stdout)
    assert as_json["personal"] == {"user_weight": 0.4, "known": True}
    assert [(request.user, request.user_weight) for request in worker.seen] == [("u1", 0.75), ("u1", None)]
    refused = songlens("send", photos[0], "--user", "u1", "--user-weight", 2)
    assert (refused.returncode, "user_weight must be a number between 0 and 1" in refused.stderr) == (1, True)


def test_send_json(songlens: Songlens, worker: FakeWorker, photos: list[Path]) -> None:
    """One JSON object a line, with the photo that it belongs to, and each its own songs."""
    ended = songlens("send", "--json", *photos)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert [line["photo"] for line in lines] == list(map(str, photos))
    assert all(line["songs"][0]["id"] == f"song-{line['id']}" for line in lines)


def test_send_addresses(songlens: Songlens, worker: FakeWorker, photos: list[Path]) -> None:
    """An argument with :// goes to the workers as it is, any other is a file; only JSON shows the address's query."""
    uri = "https://cdn.example.com/a.jpg?token=s3cr3t"
    ended = songlens("send", photos[0], uri)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [(request.uri, request.image) for request in worker.seen] == [
        (None, photos[0].read_bytes()),
        (uri, None),
    ]
    assert "https://cdn.example.com/a.jpg" in ended.stdout
    assert "s3cr3t" not in ended.stdout
    assert json.loads(songlens("send", "--json", uri).stdout)["photo"] == uri


def test_send_without_waiting_then_result(songlens: Songlens, broker: EmbeddedBroker, photos: list[Path]) -> None:
    """`--no-wait` prints ids at once; `result` says that one is in flight, waits for it, and shows it."""
    sent = songlens("send", "--no-wait", photos[0])
    request_id = sent.stdout.strip()
    assert (sent.returncode, len(request_id)) == (0, 32)
    early = songlens("result", request_id)
    assert early.returncode == 1
    assert early.stderr.startswith(f"error: no answer to request {request_id}")
    with FakeWorker(broker.url):
        ended = songlens("result", request_id, "--timeout", 20)
    assert ended.returncode == 0
    assert "孤舟蓑笠翁，独钓寒江雪" in ended.stdout
    assert json.loads(songlens("result", request_id, "--json").stdout)["id"] == request_id


def test_cancel(songlens: Songlens, photos: list[Path]) -> None:
    """Requests are taken back by their ids; one that is unknown does not keep the others."""
    first, second = songlens("send", *photos[:2], "--no-wait").stdout.split()
    ended = songlens("cancel", first, "nobody", second)
    assert ended.returncode == 1
    assert ended.stdout == f"{first}: cancelled\n{second}: cancelled\n"
    assert "no request nobody is known" in ended.stderr
    again = songlens("cancel", first)
    assert (again.returncode, again.stdout) == (0, f"{first}: answered before\n")
    asked = songlens("result", first)
    assert asked.returncode == 1
    assert "taken back" in asked.stderr


def test_send_without_waiting_json(songlens: Songlens, photos: list[Path]) -> None:
    """Programs get JSON there too."""
    queued = json.loads(songlens("send", "--no-wait", "--json", photos[0]).stdout)
    assert (queued["photo"], queued["status"], len(queued["id"])) == (str(photos[0]), "queued", 32)


def test_one_bad_photo_among_good_ones(songlens: Songlens, worker: FakeWorker, photos: list[Path]) -> None:
    """The others get their songs; the bad one gets a line on stderr, and the status says that not all went well."""
    missing = photos[0].with_name("missing.jpg")
    ended = songlens("send", photos[0], missing, photos[1])
    assert ended.returncode == 1
    assert ended.stdout.count("孤舟蓑笠翁，独钓寒江雪") == 2
    assert f"{missing}: bad_image: the photo cannot be read: No such file or directory" in ended.stderr
    lines = [json.loads(line) for line in songlens("send", "--json", photos[0], missing).stdout.splitlines()]
    assert [line["status"] for line in lines] == ["ok", "error"]
    assert lines[1]["error"]["code"] == "bad_image"


def test_an_error_of_the_worker(songlens: Songlens, broker: EmbeddedBroker, photos: list[Path]) -> None:
    """What a worker answers is shown by code and sentence, by `send` and by `result`."""

    def refuse(request: Request) -> Reply:
        raise NoModel("publish a model")

    with FakeWorker(broker.url, refuse):
        ended = songlens("send", photos[0])
        sent = songlens("send", "--no-wait", photos[0]).stdout.strip()
        result = songlens("result", sent, "--timeout", 20)
        as_json = songlens("result", sent, "--json")
    assert (ended.returncode, ended.stderr) == (1, f"{photos[0]}: no_model: publish a model\n")
    assert (result.returncode, result.stderr) == (1, "error: publish a model\n")
    assert (as_json.returncode, json.loads(as_json.stdout)["error"]["code"]) == (1, "no_model")


def test_nobody_works(songlens: Songlens, photos: list[Path]) -> None:
    """Without workers the command ends in time with the hint what to check."""
    ended = songlens("send", photos[0], "--timeout", 0.2)
    assert ended.returncode == 1
    assert "deadline_exceeded: no answer" in ended.stderr
    assert "songlens doctor" in ended.stderr


def test_an_unknown_id(songlens: Songlens) -> None:
    """An id that nobody knows, and one that cannot be one, are told apart."""
    assert "no request nobody is known" in songlens("result", "nobody").stderr
    ended = songlens("result", "no id")
    assert (ended.returncode, "request id must be" in ended.stderr) == (1, True)


def test_bounds_are_told_by_name(songlens: Songlens, photos: list[Path]) -> None:
    """An option out of bounds is refused before anything is sent."""
    ended = songlens("send", photos[0], "--top-k", 0)
    assert (ended.returncode, "top_k must be a whole number between 1 and 100; got 0" in ended.stderr) == (1, True)


def test_no_server(photos: list[Path]) -> None:
    """Without a server the status is 3 and the sentence says how to start one; no stack trace."""
    command = [sys.executable, "-m", "songlens", "send", str(photos[0]), "--redis", "redis://:s3cret@127.0.0.1:1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 3
    assert ended.stderr.startswith("error: no Redis answers at redis://:***@127.0.0.1:1")
    assert "songlens up" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_full_lane_is_waited_for(songlens: Songlens, broker: EmbeddedBroker, photos: list[Path]) -> None:
    """Many photos through a lane that holds one: the command goes at the pace that the lane allows."""
    with connect(broker.url) as connection:
        connection.hset(PartitionKeys().limits, mapping={"interactive.depth": 1})
    with FakeWorker(broker.url):
        ended = songlens("send", "--json", *photos)
    assert [json.loads(line)["status"] for line in ended.stdout.splitlines()] == ["ok"] * 3
    with Client(broker.url) as client:
        client.submit(b"in the way")
    refused = songlens("send", photos[0], "--timeout", 0.3)
    assert (refused.returncode, "queue_full: the interactive lane is full" in refused.stderr) == (1, True)


def test_a_durable_channel(songlens: Songlens, broker: EmbeddedBroker, photos: list[Path]) -> None:
    """Photos sent under a name are answered in that name's channel."""
    with FakeWorker(broker.url):
        songlens("send", "--client", "shop", *photos)
    with Client(broker.url, name="shop") as client:
        assert len(list(client.replies(quiet_s=0))) == 3


def test_more_photos_than_are_kept_in_flight(songlens: Songlens, broker: EmbeddedBroker, photos: list[Path]) -> None:
    """Of many photos a bounded number is in flight at once, so that a folder of thousands fills no lane."""
    peak, gate = 0, threading.Lock()

    def count(request: Request) -> Reply:
        nonlocal peak
        with gate, connect(broker.url) as connection:
            peak = max(peak, connection.xlen(PartitionKeys().requests("interactive")))
        return one_song(request)

    with FakeWorker(broker.url, count):
        ended = songlens("send", "--json", *photos * 50)
    assert len(ended.stdout.splitlines()) == 150
    assert 1 <= peak <= 64
