"""What a server is, whether it is fit for us, and the functions library that it must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from songlens_shared.cluster import nodes
from songlens_shared.errors import BrokerUnsuitable
from songlens_shared.functions import library_source
from songlens_shared.keys import LIBRARY

LEAST_VERSION = {"redis": (7, 0), "valkey": (7, 2)}

NEEDED = "Songlens needs Redis 7.0 or Valkey 7.2, or newer."


@dataclass(frozen=True)
class ServerInfo:
    """What a server says of itself."""

    kind: str
    """redis or valkey"""

    version: tuple[int, ...]
    cluster: bool

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(map(str, self.version))}{' (cluster)' if self.cluster else ''}"


def server_info(connection: redis.Redis) -> ServerInfo:
    """Return kind and version, of a cluster those of its oldest node.

    Raises `BrokerUnsuitable` when too old to run the functions library.
    """
    return min((_server_info(node) for node in nodes(connection)), key=lambda info: info.version)


def _server_info(connection: redis.Redis) -> ServerInfo:
    info: dict[str, Any] = connection.info()
    kind = "valkey" if "valkey_version" in info else "redis"
    version = tuple(int(part) for part in str(info[f"{kind}_version"]).split("."))
    if version < LEAST_VERSION[kind]:
        raise BrokerUnsuitable(f"the server is {kind} {'.'.join(map(str, version))}. {NEEDED}")
    return ServerInfo(kind=kind, version=version, cluster=bool(info.get("cluster_enabled", 0)))


def load_functions(connection: redis.Redis) -> bool:
    """Load the functions library, on every node, where it is missing or differs. Returns whether it was loaded."""
    loaded = [_load_functions(node) for node in nodes(connection)]
    return any(loaded)


def _load_functions(connection: redis.Redis) -> bool:
    source = library_source()
    for library in connection.function_list(library=LIBRARY, withcode=True):
        pairs = iter(library)
        described = dict(zip(pairs, pairs, strict=True)) if isinstance(library, list) else library
        if described.get(b"library_code") == source.encode():
            return False
    connection.function_load(source, replace=True)
    return True


def is_missing_function(error: redis.ResponseError) -> bool:
    """Say whether a call failed only because the server has not got the functions library."""
    return "Function not found" in str(error)
