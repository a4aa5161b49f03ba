"""What a server is, whether it is fit for us, and the functions library that it must have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import redis

from songlens_shared.cluster import nodes
from songlens_shared.errors import BrokerUnsuitable
from songlens_shared.functions import library_source
from songlens_shared.keys import LIBRARY

LEAST_VERSION = {"redis": (7, 0), "valkey": (7, 2)}

_REVISION = re.compile(r"^-- revision (\d{1,9})$", re.MULTILINE)

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
    """Load the functions library, on every node, where it is missing, older, or of the same revision and another text.

    Returns whether it was loaded. A newer one stays: functions keep their arguments (docs/protocol.md), so that it
    serves this release too, and an older release's worker that starts in the middle of an upgrade takes nothing away.
    """
    loaded = [_load_functions(node) for node in nodes(connection)]
    return any(loaded)


def _load_functions(connection: redis.Redis) -> bool:
    source, found = library_source(), _loaded_library(connection)
    if found is None:
        return _load_where_missing(connection, source)
    if found == source or library_revision(found) > library_revision(source):
        return False
    connection.function_load(source, replace=True)
    return True


def _load_where_missing(connection: redis.Redis, source: str) -> bool:
    """Load it unless somebody of another release has just been faster; then its library is looked at as any other."""
    try:
        connection.function_load(source)
    except redis.ResponseError as error:
        if "already exists" not in str(error):
            raise
        return _load_functions(connection)
    return True


def loaded_revision(connection: redis.Redis) -> int:
    """Return the revision of the functions library that the server has, the least of all nodes; 0 where it has none."""
    return min(library_revision(_loaded_library(node) or "") for node in nodes(connection))


def library_revision(source: str) -> int:
    """Return the revision that a library's text names; 0 where it names none."""
    found = _REVISION.search(source)
    return int(found[1]) if found else 0


def _loaded_library(connection: redis.Redis) -> str | None:
    for library in connection.function_list(library=LIBRARY, withcode=True):
        pairs = iter(library)
        described = dict(zip(pairs, pairs, strict=True)) if isinstance(library, list) else library
        return bytes(described[b"library_code"]).decode(errors="replace")
    return None


def is_missing_function(error: redis.ResponseError) -> bool:
    """Say whether a call failed only because the server has not got the functions library."""
    return "Function not found" in str(error)
