"""What is done differently on a Redis Cluster, without one."""

from __future__ import annotations

import pytest
import redis

from songlens_shared.broker import PARTITIONS_VARIABLE, resolve_partitions
from songlens_shared.cluster import TURN_MS, ReadRounds, by_partition, hash_tag, known_keys
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


def test_one_server_reads_all_at_once() -> None:
    """All channels are watched by one read for as long as is wanted."""
    assert ReadRounds(cluster=False)(CURSORS, 2000) == [(CURSORS, 2000)]


def test_a_cluster_reads_each_partition_and_waits_for_one_in_turn() -> None:
    """Every partition is asked in every round; the short wait at the end goes round."""
    rounds = ReadRounds(cluster=True)
    waited_for = []
    for _ in range(3):
        *asked, (watched, wait_ms) = rounds(CURSORS, 2000)
        assert sorted(stream for part, _ in asked for stream in part) == sorted(CURSORS)
        assert {block_ms for _, block_ms in asked} == {None}
        assert wait_ms == TURN_MS
        waited_for += list(watched)
    assert sorted(waited_for) == sorted(CURSORS)


def test_a_cluster_with_one_partition_waits_for_it() -> None:
    """Nothing has to take turns then."""
    at = PartitionKeys()
    cursors = {at.requests("interactive"): ">", at.requests("bulk"): ">"}
    assert ReadRounds(cluster=True)(cursors, 2000) == [(cursors, 2000)]


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
