"""What KEDA sees of the queue, on a real server: `lag` where Redis knows it, and length where it does not.

Read as KEDA's scalers do (redis_streams_scaler.go, redis_scaler.go), under the rights of `songlens-scaler`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import redis
from guarded_server import USERS, address, guard, refused
from stages import (
    BULK_STREAM,
    INLETS,
    INTERACTIVE_STREAM,
    KEYS,
    EchoStage,
    assert_nothing_is_left,
    back_date,
    pending,
    replies,
    running,
    submit,
    submit_many,
    wait_until,
)

from songlens_batch.jobs.names import QUEUE
from songlens_shared import functions
from songlens_shared.broker import connect
from songlens_shared.functions import Delivery
from songlens_shared.keys import SONGS_GROUP, VISION_GROUP
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.exporter.backlog import Backlogs, places
from songlens_workers.runtime.claims import Claims

OF_A_LIST = """
local listName = KEYS[1]
local listType = redis.call('type', listName).ok
if listType == 'list' or listType == 'none' then return redis.call('llen', listName) end
return redis.error_reply('ERR unsupported key type: ' .. listType)
"""
"""What KEDA's redis scaler has the server do."""


class Keda:
    """Asks as KEDA does; a lag that the server does not know reaches HPA as -1, and asks for no worker."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        assert int(connection.info()["redis_version"].partition(".")[0]) >= 7

    def lag(self, stream: str = INTERACTIVE_STREAM, group: str = VISION_GROUP) -> int:
        try:
            groups: Any = self._redis.xinfo_groups(stream)
        except redis.ResponseError as error:
            assert str(error) == "no such key"
            return 0
        for found in groups:
            if found["name"].decode() == group:
                return -1 if found["lag"] is None else int(found["lag"])
        return self.length(stream)

    def length(self, stream: str = INTERACTIVE_STREAM) -> int:
        return int(self._redis.xlen(stream))

    def jobs(self) -> int:
        return int(self._redis.eval(OF_A_LIST, 1, f"rq:queue:{QUEUE}"))  # type: ignore[arg-type]


@pytest.fixture
def keda(broker: EmbeddedBroker, connection: redis.Redis) -> Iterator[Keda]:
    """With the rights of ops/redis/users.acl, and without a refusal until the end."""
    guard(broker)
    with connect(address(broker, "scaler")) as scaler:
        yield Keda(scaler)
    assert refused(broker, "scaler") == []


class Worker:
    """Claims as a worker does, and ends what it holds in whichever order."""

    def __init__(self, connection: redis.Redis, name: str) -> None:
        self._redis = connection
        self._claims = Claims(connection, inlets=INLETS[:1], group=VISION_GROUP, consumer=name)
        self._claims.ensure_groups()

    def claim(self, count: int) -> list[Delivery]:
        return self._claims.claim(count, 0)

    def take_over(self) -> list[Delivery]:
        return self._claims.take_over(self._claims.abandoned(1000, 100), 1000)

    def end(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            assert functions.hand_over(delivery, KEYS.hits, b"hits").on(self._redis) == 1


def waiting(connection: redis.Redis) -> int:
    """What no worker has claimed, counted one by one."""
    return int(connection.xlen(INTERACTIVE_STREAM)) - len(pending(connection))


def test_lag_is_right_where_entries_end_in_their_order(connection: redis.Redis, keda: Keda) -> None:
    """Before there is a stream, a group, a worker; as it claims, hands over, answers; and with a new backlog."""
    assert keda.lag() == 0
    submit_many(connection, 20)
    assert keda.lag() == 20  # no group yet
    worker = Worker(connection, "one")
    assert keda.lag() == 20
    held = worker.claim(8)
    assert keda.lag() == waiting(connection) == 12
    worker.end(held[:3])
    assert keda.lag() == 12
    worker.end(held[3:])
    assert keda.lag() == 12
    worker.end(worker.claim(100))
    assert keda.lag() == keda.length() == 0
    assert keda.lag(KEYS.hits, SONGS_GROUP) == 20
    submit(connection, 20)
    assert keda.lag() == 1


@pytest.mark.parametrize("how", ["another worker is faster", "a photo is refused", "a request is cancelled"])
def test_lag_is_unknown_where_they_end_out_of_it(how: str, connection: redis.Redis, keda: Keda) -> None:
    """An entry deleted at or after the last delivered one makes Redis give it up: KEDA would stop workers.

    Length is always known, and what the exporter tells is right.
    """
    submit_many(connection, 30)
    first, second = Worker(connection, "first"), Worker(connection, "second")
    slow, fast = first.claim(8), second.claim(8)
    if how == "another worker is faster":
        second.end(fast)
    elif how == "a photo is refused":
        first.end(slow)
        second.end(fast[-1:])
    else:
        first.end(slow)
        second.end(fast)
        assert functions.cancel(KEYS, "r0020", b"cancelled").on(connection) == 1
    assert keda.lag() == -1
    assert waiting(connection) == (13 if "cancelled" in how else 14)
    assert keda.length() == waiting(connection) + len(pending(connection))
    [seen] = [each for each in Backlogs(connection, places(1))() if each.place.stream == INTERACTIVE_STREAM]
    assert seen.lag == waiting(connection)


def test_lag_is_unknown_for_a_part_of_every_load(connection: redis.Redis, keda: Keda) -> None:
    """Two workers under load: whenever Redis knows the lag it is right; it does not always; length always is."""
    workers = [Worker(connection, "one"), Worker(connection, "two")]
    chance = random.Random(1)
    held: list[tuple[Worker, list[Delivery]]] = []
    unknown = 0
    for step in range(300):
        submit(connection, step)
        if step > 50 and len(held) < 6:
            worker = chance.choice(workers)
            held.append((worker, worker.claim(chance.randint(1, 4))))
        if step > 50 and chance.random() < 0.6:
            worker, ended = held.pop(chance.randrange(len(held)))
            worker.end(ended)
        lag = keda.lag()
        assert lag in (-1, waiting(connection))
        unknown += lag == -1
        assert keda.length() == waiting(connection) + len(pending(connection))
    assert 0 < unknown < 300
    assert waiting(connection) > 0


def test_lag_tells_nothing_of_abandoned_entries(connection: redis.Redis, keda: Keda) -> None:
    """What a dead worker held is delivered already, so that lag is 0; length calls for a worker that takes it over."""
    submit_many(connection, 5)
    Worker(connection, "dead").claim(5)
    assert (keda.lag(), keda.length()) == (0, 5)
    back_date(connection, "dead", 10_000)
    heir = Worker(connection, "heir")
    taken = heir.take_over()
    assert len(taken) == 5
    assert (keda.lag(), keda.length()) == (0, 5)
    heir.end(taken)
    assert (keda.lag(), keda.length()) == (0, 0)


def test_both_are_nothing_after_real_work(connection: redis.Redis, broker: EmbeddedBroker, keda: Keda) -> None:
    """Real workers side by side, both lanes: at the end nothing asks for a worker any more."""
    submit_many(connection, 60)
    for number in range(60, 100):
        submit(connection, number, lane="bulk")
    with running(EchoStage(), broker.url, consumer="one"), running(EchoStage(), broker.url, consumer="two"):
        wait_until(lambda: len(replies(connection)) == 100, "all answered")
    assert_nothing_is_left(connection)
    for stream in (INTERACTIVE_STREAM, BULK_STREAM):
        assert (keda.lag(stream), keda.length(stream)) == (0, 0)


def test_waiting_jobs_are_counted(connection: redis.Redis, keda: Keda) -> None:
    """Jobs in the list of RQ, and 0 before there is one."""
    assert keda.jobs() == 0
    connection.rpush(f"rq:queue:{QUEUE}", "a", "b")
    assert keda.jobs() == 2


def test_a_scaler_reads_lengths_alone(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """No payload, no other key, nothing written: not even by a script, and not to the list that it may look at."""
    guard(broker)
    submit(connection, 1)
    with connect(address(broker, "scaler")) as scaler:
        for forbidden in (
            ("XRANGE", INTERACTIVE_STREAM, "-", "+"),
            ("XLEN", KEYS.dead),
            ("LPUSH", f"rq:queue:{QUEUE}", "x"),
            ("LRANGE", f"rq:queue:{QUEUE}", "0", "-1"),
            ("EVAL", "return redis.call('lpush', KEYS[1], 'x')", "1", f"rq:queue:{QUEUE}"),
            ("EVAL", "return redis.call('xrange', KEYS[1], '-', '+')", "1", INTERACTIVE_STREAM),
            ("EVAL", "return redis.call('llen', 'rq:queue:other')", "0"),
            ("GET", KEYS.result("r0001")),
            ("CONFIG", "GET", "*"),
        ):
            with pytest.raises(redis.ResponseError, match=r"(?i)permission|NOPERM|access|can't run"):
                scaler.execute_command(*forbidden)


def test_secrets_are_those_of_the_server(tmp_path: Path, broker: EmbeddedBroker, connection: redis.Redis) -> None:
    """ops/k8s/secrets.py: each role's password opens the server that has its users.acl, without the line's end."""
    users = USERS.read_text("utf-8").splitlines()
    names = [line.split()[1] for line in users if not line.startswith("user default")]
    for name in names:
        (tmp_path / name.removeprefix("songlens-")).write_text(f"secret of {name}\n")
    digests = {name: sha256(f"secret of {name}".encode()).hexdigest() for name in names}
    lines = [f"{line} #{digests[line.split()[1]]}" if line.split()[1] in digests else line for line in users]
    (tmp_path / "users.acl").write_text("\n".join(lines) + "\n")
    made = subprocess.run(
        [sys.executable, "ops/k8s/secrets.py", str(tmp_path), "redis.songlens.svc:6379"],
        capture_output=True,
        text=True,
        check=True,
    )
    secrets = {one["metadata"]["name"]: one["stringData"] for one in json.loads(made.stdout)["items"]}
    for line in secrets["redis-users"]["users.acl"].splitlines():
        _, name, *rules = line.split()
        if name != "default":
            connection.execute_command("ACL", "SETUSER", name, *rules)
    scaler = secrets["songlens-scaler"]
    assert scaler["address"] == scaler["jobs-address"] == "redis.songlens.svc:6379"
    for name in ("songlens-vision", "songlens-songs", "songlens-jobs", "songlens-metrics", "songlens-scaler"):
        port = connection.connection_pool.connection_kwargs.get("port")
        where = {"port": port} if port else {"unix_socket_path": connection.connection_pool.connection_kwargs["path"]}
        with redis.Redis(username=name, password=secrets[name]["password"], **where) as role:
            assert role.ping()
