"""What is done differently on a Redis Cluster, without one."""

from __future__ import annotations

import pytest
import redis

from songlens_shared.address import PARTITIONS_VARIABLE, resolve_partitions
from songlens_shared.cluster import by_partition, hash_tag, known_keys
from songlens_shared.errors import ConfigError
from songlens_shared.functions import cancel, submit
from songlens_shared.keys import PartitionKeys
from songlens_shared.messages import Request

CURSORS = {PartitionKeys(partition).replies("app"): "0" for partition in range(3)}


class Packed:
    """Takes a command apart as redis-py does, and sends nothing."""

    def __init__(self) -> None:
        self.sent: tuple[object, ...] = ()
        self.client = redis.Redis()
        self.client.execute_command = self._take  # type: ignore[method-assign]

    def _take(self, *args: object, **options: object) -> None:
        self.sent = args


def test_keys_of_our_commands_are_known() -> None:
    """Every command whose keys have no fixed place is understood without asking a server."""
    packed = Packed()
    at = PartitionKeys(2)
    request = Request(id="r", client="app", image=b"photo")
    for call in (submit(at, request, b"payload"), cancel(at, "r", b"reply")):
        call.on(packed.client)
        assert tuple(known_keys(packed.sent)) == call.keys
    packed.client.xread({"a": "0", "b": "$"}, count=3, block=10)
    assert list(known_keys(packed.sent)) == ["a", "b"]
    packed.client.xreadgroup("STREAMS", "worker", {"a": ">", "b": ">"}, count=3)
    assert list(known_keys(packed.sent)) == ["a", "b"]
    packed.client.get("a")
    assert list(known_keys(packed.sent)) == []


def test_what_one_server_takes_at_once_is_not_divided() -> None:
    """Groups are for clusters."""
    assert by_partition(redis.Redis(), list(CURSORS), str) == [list(CURSORS)]


@pytest.mark.parametrize(("key", "tag"), [("sl:{12}:hits", "12"), ("sl:model:current", "sl:model:current")])
def test_hash_tag(key: str, tag: str) -> None:
    """What stands in braces, else the whole key."""
    assert hash_tag(key) == tag


def test_partitions_come_from_the_caller_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given wins; without either there is one."""
    assert resolve_partitions() == 1
    monkeypatch.setenv(PARTITIONS_VARIABLE, "7")
    assert (resolve_partitions(), resolve_partitions(3)) == (7, 3)
    monkeypatch.setenv(PARTITIONS_VARIABLE, "many")
    with pytest.raises(ConfigError, match="partitions must be a whole number of at least 1; got 'many'"):
        resolve_partitions()
