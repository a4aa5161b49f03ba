"""Redis Cluster: what differs from a single server, for whoever reads from several partitions at once.

The keys of one partition share a hash tag, and so a slot and a node. One command never touches two partitions on a
cluster, not even where the same node serves both: the server refuses it (CROSSSLOT).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, TypeVar

import redis
from redis import asyncio as redis_asyncio
from redis._parsers import AsyncCommandsParser
from redis.exceptions import RedisClusterException

from songlens_shared.private_logs import CLUSTER_COMMANDS, keep_silent

T = TypeVar("T")

RedisFault = (redis.RedisError, RedisClusterException)
"""What a Redis or a cluster that cannot be used raises: redis-py's cluster faults are no `RedisError`."""

_HASH_TAG = re.compile(r"\{([^}]+)\}")


class ClusterConnection(redis.RedisCluster):
    """A client of all nodes that knows the keys of our commands."""

    def __init__(self, **options: Any) -> None:
        keep_silent(*CLUSTER_COMMANDS)
        super().__init__(**options)
        self.commands_parser: Any = _KnownKeys(self.commands_parser)


class AsyncClusterConnection(redis_asyncio.RedisCluster):
    """As `ClusterConnection`, in an event loop; calls past `max_connections` wait for one another."""

    def __init__(self, *, max_connections: int, **options: Any) -> None:
        keep_silent(*CLUSTER_COMMANDS)
        super().__init__(max_connections=max_connections, **options)
        self.commands_parser = _AsyncKnownKeys()
        self._room = asyncio.Semaphore(max_connections)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command to its node."""
        async with self._room:
            return await super().execute_command(*args, **options)


class _KnownKeys:
    """Finds the keys of commands. redis-py asks a node by COMMAND GETKEYS, and would send each photo twice."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def get_keys(self, connection: redis.Redis, *args: Any) -> Any:
        return known_keys(args) or self._parser.get_keys(connection, *args)


class _AsyncKnownKeys(AsyncCommandsParser):
    async def get_keys(self, *args: Any) -> Any:
        return known_keys(args) or await super().get_keys(*args)


def known_keys(args: Sequence[Any]) -> Sequence[Any]:
    """Return the keys of a command whose keys stand at no fixed place; nothing for any other command."""
    match args[0]:
        case "FCALL":
            return args[3 : 3 + int(args[2])]
        case "XREAD" | "XREADGROUP":
            streams = args[args.index(b"STREAMS") + 1 :]
            return streams[: len(streams) // 2]
        case _:
            return ()


def is_cluster(connection: object) -> bool:
    """Say whether this is a client of a Redis Cluster."""
    return isinstance(connection, redis.RedisCluster | redis_asyncio.RedisCluster)


def nodes(connection: redis.Redis) -> list[redis.Redis]:
    """Return a client of each server that holds data: one, or every primary of a cluster."""
    if not is_cluster(connection):
        return [connection]
    cluster: Any = connection
    return [cluster.get_redis_connection(node) for node in cluster.get_primaries()]


def by_partition(connection: redis.Redis, items: Iterable[T], stream: Callable[[T], str]) -> list[list[T]]:
    """Return the items in groups that one command or pipeline may take: on a cluster, those of one partition each.

    A pipeline over several nodes would fail as a whole, for healthy nodes too, when it cannot reach one of them.
    """
    if not is_cluster(connection):
        return [list(items)]

    def tag(item: T) -> str:
        return hash_tag(stream(item))

    return [list(group) for _, group in groupby(sorted(items, key=tag), key=tag)]


def hash_tag(key: str) -> str:
    """Return the part of a key that decides on its slot."""
    found = _HASH_TAG.search(key)
    return found[1] if found else key
