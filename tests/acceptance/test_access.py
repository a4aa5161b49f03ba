"""Each role of ops/redis/users.acl can do its work, with real workers and a real photo, and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from guarded_server import PASSWORD, USERS, address, guard
from rq import Queue, SimpleWorker
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from songlens import Cancelled, Client
from songlens_shared import keys
from songlens_shared.broker import connect
from songlens_shared.keys import LIBRARY, ModelKeys, PartitionKeys
from songlens_training.model.publish import publish_model
from songlens_workers.commands.processes import WorkerProcess, stop_all
from songlens_workers.embedded import EmbeddedBroker

from .conftest import START_LIMIT_S, Model, songlens

AT = PartitionKeys()
ROLES = ("client", "vision", "songs", "jobs", "operator", "metrics", "dashboard")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[EmbeddedBroker]:
    """A server with the users of the file, each with a password. The default user stays, for the tests' own use."""
    with EmbeddedBroker(tmp_path_factory.mktemp("guarded"), persistent=False, binary=redis_server) as broker:
        guard(broker)
        yield broker


@pytest.fixture(scope="module")
def workers(guarded: EmbeddedBroker, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """A worker of each stage, each as its own user, the model published by the operator; their logs."""
    folder = tmp_path_factory.mktemp("logs")
    published = songlens(
        "model", "publish", "--models", str(model.store), SONGLENS_REDIS_URL=address(guarded, "operator")
    )
    assert published.returncode == 0, published.stderr
    logs = [folder / "vision.log", folder / "songs.log"]
    with ExitStack() as stack:
        vision = ["vision", "--redis", address(guarded, "vision"), "--models", str(model.store)]
        songs = ["songs", "--redis", address(guarded, "songs")]
        started = [
            WorkerProcess(path.stem, arguments, log=path) for path, arguments in zip(logs, (vision, songs), strict=True)
        ]
        stack.callback(stop_all, started)
        for worker in started:
            worker.start()
        with connect(guarded.url) as connection:
            until_s = time.monotonic() + START_LIMIT_S
            while not connection.function_list(library=LIBRARY):  # clients may not load it
                assert time.monotonic() < until_s
                time.sleep(0.1)
        yield logs


def test_each_role_can_do_its_work(guarded: EmbeddedBroker, workers: list[Path], model: Model) -> None:
    """A photo gets its songs, a dead letter can be listed, a user is forgotten; and no password is in a log."""
    photo = next((model.catalogue / "images").rglob("*.jpg"))
    with Client(address(guarded, "client"), name="app") as client:
        handle = client.submit(photo, timeout_s=START_LIMIT_S, user="somebody")
        assert len(handle.result().songs) == 10
        assert handle.id in {received.id for received in client.replies(quiet_s=0.2)}
        assert handle.cancel() is False
    listed = songlens("dead", "list", SONGLENS_REDIS_URL=address(guarded, "operator"))
    assert (listed.returncode, listed.stdout) == (0, "No dead letters.\n"), listed.stderr
    operator = {"SONGLENS_REDIS_URL": address(guarded, "operator")}
    forgotten = songlens("user", "forget", "somebody", "--json", **operator)
    assert forgotten.returncode == 0, forgotten.stderr
    counts = {"vectors": 0, "cancelled": 0, "results": 1, "replies": 1, "dead_letters": 0}
    assert json.loads(forgotten.stdout) == counts
    assert "may hold the user" in songlens("user", "allow", "somebody", **operator).stdout
    with connect(address(guarded, "metrics")) as metrics:
        assert metrics.xlen(AT.requests("bulk")) == 0
        assert metrics.xpending(AT.requests("interactive"), "vision")["pending"] == 0
        assert [group["name"] for group in metrics.xinfo_groups(AT.hits)] == [b"songs"]
        assert metrics.info("memory")["used_memory"] > 0
        assert metrics.get("sl:model:current") == model.version.encode()
    for log in workers:
        assert PASSWORD not in log.read_text("utf-8")
        assert quote(PASSWORD, safe="") not in log.read_text("utf-8")


def test_jobs_run_and_send_photos(guarded: EmbeddedBroker, workers: list[Path], model: Model) -> None:
    """An RQ worker takes a job and keeps its result, in JSON; a job publishes, and gets songs for photos."""
    url = address(guarded, "jobs")
    with connect(url) as connection:
        queue = Queue("songlens", connection=connection, serializer=JSONSerializer)
        job = queue.enqueue("operator.add", 1, 2)
        assert SimpleWorker([queue], connection=connection, serializer=JSONSerializer).work(burst=True)
        assert (job.get_status(), job.return_value()) == (JobStatus.FINISHED, 3)
        assert publish_model(model.store, model.version, connection).version == model.version
    with Client(url) as client:
        photo = next((model.catalogue / "images").rglob("*.jpg"))
        assert len(client.recommend(photo, lane="bulk", timeout_s=START_LIMIT_S).songs) == 10
        fingerprint = model.built.manifest.backbone.fingerprint
        assert client.features(photo, backbone=fingerprint, lane="bulk").model == model.version


def test_a_waiting_request_is_cancelled_by_its_client(guarded: EmbeddedBroker, workers: list[Path]) -> None:
    """Also while the request lies in the bulk lane."""
    with Client(address(guarded, "client")) as client:
        handles = [client.submit(b"no photo at all", lane="bulk", timeout_s=60) for _ in range(20)]
        if handles[-1].cancel():
            with pytest.raises(Cancelled):
                handles[-1].result(timeout_s=5)


MODEL = ModelKeys("v")
FORBIDDEN: dict[str, list[tuple[Any, ...]]] = {
    "client": [
        ("GET", "sl:model:current"),
        ("HGET", MODEL.user_vectors(0), "u"),
        ("XREADGROUP", "GROUP", "vision", "me", "STREAMS", AT.requests("bulk"), ">"),
        ("XRANGE", AT.dead, "-", "+"),
        ("HSET", AT.limits, "bulk.depth", "1000000"),
        ("ZRANGE", AT.user("u"), "0", "-1"),
        ("SMEMBERS", keys.USERS_FORGOTTEN),
        ("SADD", keys.USERS_FORGOTTEN, "u"),
        ("FUNCTION", "LOAD", "x"),
        ("GET", "another:app"),
    ],
    "vision": [
        ("HGET", MODEL.song_vectors(0), "s"),
        ("SET", "sl:model:current", "v"),
        ("XRANGE", AT.dead, "-", "+"),
        ("DEL", AT.user("u")),
        ("GET", keys.USERS_FORGETS),
    ],
    "songs": [
        ("INCR", keys.USERS_FORGETS),
        ("DEL", AT.user("u")),
        ("XADD", AT.requests("bulk"), "*", "m", "x"),
        ("XREADGROUP", "GROUP", "vision", "me", "STREAMS", AT.requests("bulk"), ">"),
        ("HSET", MODEL.song_vectors(0), "s", "x"),
        ("SET", "sl:model:current", "v"),
    ],
    "jobs": [
        ("XREADGROUP", "GROUP", "vision", "me", "STREAMS", AT.requests("bulk"), ">"),
        ("XRANGE", AT.dead, "-", "+"),
        ("HGETALL", "sl:users:forgets"),
        ("HSET", AT.limits, "bulk.depth", "1000000"),
        ("ZRANGE", AT.user("u"), "0", "-1"),
        ("SCAN", "0"),
        ("CLIENT", "LIST"),
        ("SADD", "sl:users:forgotten", "u"),
        ("FUNCTION", "LOAD", "x"),
        ("GET", "another:app"),
    ],
    "operator": [("GET", "another:app"), ("SET", "another:app", "x")],
    "metrics": [
        ("XRANGE", AT.requests("bulk"), "-", "+"),
        ("XREAD", "STREAMS", AT.hits, "0"),
        ("XINFO", "STREAM", AT.requests("bulk"), "FULL"),
        ("GET", AT.result("r1")),
        ("ZRANGE", AT.user("u"), "0", "-1"),
        ("XADD", AT.requests("bulk"), "*", "m", "x"),
        ("FCALL", "songlens_replay", "0"),
    ],
    "dashboard": [
        ("LPUSH", "rq:queue:songlens-batch", "job"),
        ("RENAME", "rq:queue:songlens-batch", "rq:queue:other"),
        ("ZREM", "rq:failed:songlens-batch", "job"),
        ("HSET", "rq:job:x", "data", "x"),
        ("DEL", "rq:job:x"),
        ("XRANGE", AT.requests("bulk"), "-", "+"),
        ("GET", AT.result("r1")),
        ("HGETALL", "sl:batch:b"),
    ],
}
FOR_NOBODY: list[tuple[Any, ...]] = [
    ("CONFIG", "GET", "*"),
    ("KEYS", "*"),
    ("FLUSHALL",),
    ("SHUTDOWN", "NOSAVE"),
    ("ACL", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("MONITOR",),
]


@pytest.mark.parametrize("role", ROLES)
def test_no_role_can_do_more(guarded: EmbeddedBroker, role: str) -> None:
    """The work of another role, the server itself, and other applications' keys are refused."""
    with connect(address(guarded, role)) as connection:
        for command in FORBIDDEN[role] + FOR_NOBODY:
            with pytest.raises(redis.exceptions.NoPermissionError):
                connection.execute_command(*command)


def test_without_the_rules_everybody_could(guarded: EmbeddedBroker) -> None:
    """What is refused above is refused by the rules: nothing else forbids it to a user who may do everything."""
    with connect(guarded.url) as connection:
        for command in {command for role in ROLES for command in FORBIDDEN[role]}:
            try:
                connection.execute_command(*command)
            except redis.ResponseError as error:
                assert not isinstance(error, redis.exceptions.NoPermissionError), command


def test_the_file_as_it_stands_lets_nobody_in(tmp_path: Path, redis_server: Path | None) -> None:
    """A server takes it; without passwords there is no way in, and the default user is off."""

    class Guarded(EmbeddedBroker):
        def _arguments(self) -> list[str]:
            return [*super()._arguments(), "--aclfile", str(users)]

    assert USERS.read_text("utf-8").startswith("user default off\n")
    users = tmp_path / "users.acl"
    users.write_text(USERS.read_text("utf-8").replace("user default off", "user default on nopass ~* &* +@all"))
    with Guarded(tmp_path / "broker", persistent=False, binary=redis_server) as broker:
        for role in ROLES:
            with connect(address(broker, role), retries=0) as connection, pytest.raises(redis.AuthenticationError):
                connection.ping()
