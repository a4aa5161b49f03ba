"""Finding, reaching and checking the Redis or Valkey server.

The address is, in this order: what the caller gives, the environment variable SONGLENS_REDIS_URL, the embedded server
that `songlens up` is running (it leaves its address in SONGLENS_HOME), redis://localhost:6379.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis
from redis import asyncio as redis_asyncio
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from songlens_shared.cluster import AsyncClusterConnection, ClusterConnection, nodes
from songlens_shared.errors import BrokerError, BrokerUnavailable, BrokerUnsuitable, ConfigError
from songlens_shared.functions import library_source
from songlens_shared.keys import LIBRARY

DEFAULT_URL = "redis://localhost:6379"
URL_VARIABLE = "SONGLENS_REDIS_URL"
PARTITIONS_VARIABLE = "SONGLENS_PARTITIONS"
HOME_VARIABLE = "SONGLENS_HOME"

SOCKET_TIMEOUT_S = 5.0
"""redis-py's default. Every blocking read must stay well under it, or a quiet queue looks like a dead server."""

BLOCK_MS = 2000
"""How long one blocking stream read waits."""

LEAST_VERSION = {"redis": (7, 0), "valkey": (7, 2)}

_NEEDED = "Songlens needs Redis 7.0 or Valkey 7.2, or newer."


def home() -> Path:
    """Return the folder of catalogues, models and the embedded server: SONGLENS_HOME, or ~/.songlens."""
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / ".songlens").expanduser()


def address_file() -> Path:
    """Return the file in which a running embedded server leaves its address."""
    return home() / "run" / "broker.json"


def _embedded_url() -> str | None:
    try:
        running = json.loads(address_file().read_text())
        os.kill(int(running["pid"]), 0)
        return str(running["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def resolve_url(url: str | None = None) -> str:
    """Return the server's URL by the order in this module's docstring."""
    return url or os.environ.get(URL_VARIABLE) or _embedded_url() or DEFAULT_URL


def resolve_partitions(partitions: int | None = None) -> int:
    """Return how many partitions the queue has: what is given, else SONGLENS_PARTITIONS, else 1."""
    text = os.environ.get(PARTITIONS_VARIABLE, "1") if partitions is None else str(partitions)
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigError(f"partitions must be a whole number of at least 1; got {text!r}.")
    return number


def safe_url(url: str) -> str:
    """Return the URL with its password hidden, fit for messages and logs.

    Works on text, not on a parsed URL: a password with an unescaped / # or @ is a common mistake, and must not be shown
    by the very message that reports it.
    """
    hidden = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"(?<=password=)[^&]*", "***", hidden)


# Not timeouts: redis-py retries the command, the connection and its health check inside each other, so that a host
# which accepts and never answers would hold a caller for minutes instead of one socket timeout.
_RETRIED = (redis.ConnectionError,)


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=0.05, cap=1.0)


def _timeouts() -> dict[str, Any]:
    return {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        "socket_keepalive": True,
    }


def _options(max_connections: int) -> dict[str, Any]:
    return {
        "max_connections": max_connections,
        "timeout": SOCKET_TIMEOUT_S,
        "health_check_interval": 30,
        **_timeouts(),
    }


def connect(url: str, *, max_connections: int = 32, retries: int = 3) -> redis.Redis:
    """Return a client of one server, with a bounded, blocking pool; connects on first use.

    Raises `ConfigError` for a URL that names no server.
    """
    with _url_errors(url):
        retry = Retry(_backoff(), retries, _RETRIED)
        pool = redis.BlockingConnectionPool.from_url(url, retry=retry, **_options(max_connections))
    return redis.Redis.from_pool(pool)


def connect_asyncio(url: str, *, max_connections: int = 32, retries: int = 3) -> redis_asyncio.Redis:
    """Return an asyncio client of one server, with a bounded, blocking pool; connects on first use.

    Raises `ConfigError` for a URL that names no server.
    """
    from redis.asyncio.retry import Retry as AsyncRetry

    with _url_errors(url):
        retry = AsyncRetry(_backoff(), retries, _RETRIED)
        pool = redis_asyncio.BlockingConnectionPool.from_url(url, retry=retry, **_options(max_connections))
    return redis_asyncio.Redis.from_pool(pool)


def open_redis(url: str, *, max_connections: int = 32, retries: int = 3) -> redis.Redis:
    """Connect at once, and return a client of the server or, where it belongs to a Redis Cluster, of all its nodes.

    The latter has the methods of the former. Raises `ConfigError` for a URL that names no server, and what redis-py
    raises for one that cannot be reached: see `broker_errors`.
    """
    server = connect(url, max_connections=max_connections, retries=retries)
    try:
        clustered = _in_cluster_mode(server.execute_command("HELLO"))  # type: ignore[no-untyped-call]
    except BaseException:
        server.close()
        raise
    if not clustered:
        return server
    server.close()
    return cast(
        redis.Redis,
        ClusterConnection(
            url=url,
            retry=Retry(_backoff(), retries, _RETRIED),
            connection_pool_class=redis.BlockingConnectionPool,
            **_timeouts(),
            max_connections=max_connections,
            timeout=SOCKET_TIMEOUT_S,
        ),
    )


async def open_redis_asyncio(url: str, *, max_connections: int = 32, retries: int = 3) -> redis_asyncio.Redis:
    """As `open_redis`, in an event loop."""
    from redis.asyncio.retry import Retry as AsyncRetry

    server = connect_asyncio(url, max_connections=max_connections, retries=retries)
    try:
        clustered = _in_cluster_mode(await server.execute_command("HELLO"))  # type: ignore[no-untyped-call]
    except BaseException:
        await server.aclose()
        raise
    if not clustered:
        return server
    await server.aclose()
    retry = AsyncRetry(_backoff(), retries, _RETRIED)
    cluster = AsyncClusterConnection.from_url(url, retry=retry, **_timeouts(), max_connections=max_connections)
    return cast(redis_asyncio.Redis, cluster)


def _in_cluster_mode(hello: Any) -> bool:
    """Read what HELLO tells, a map or a flat list by the protocol that was negotiated."""
    pairs = hello.items() if isinstance(hello, dict) else zip(hello[::2], hello[1::2], strict=True)
    return (b"mode", b"cluster") in pairs


def check_url(url: str) -> None:
    """Raise `ConfigError` for a URL that names no server; asks nobody."""
    with _url_errors(url):
        redis.connection.parse_url(url)  # type: ignore[no-untyped-call]


@contextmanager
def _url_errors(url: str) -> Iterator[None]:
    try:
        yield
    except ValueError:
        # The error's own text may quote a piece of the password.
        raise ConfigError(
            f"{safe_url(url)!r} is not a Redis URL; write redis://USER:PASSWORD@HOST:PORT/DATABASE (rediss:// for TLS, "
            "unix:// for a socket), with special characters of the password percent-encoded."
        ) from None


@contextmanager
def broker_errors(url: str) -> Iterator[None]:
    """Turn redis-py's errors into `BrokerUnavailable` and its kin, which say what to do.

    A missing function passes as it is: whoever calls one loads the library and tries again.
    """
    try:
        yield
    except redis.AuthenticationError as error:
        raise BrokerUnavailable(
            f"{safe_url(url)} refuses the user name or password: {error}. Give both in {URL_VARIABLE} or --redis."
        ) from error
    except redis.exceptions.NoPermissionError as error:
        raise BrokerUnavailable(f"{safe_url(url)} forbids a needed command: {error}. See ops/redis.") from error
    except (redis.ConnectionError, redis.TimeoutError, RedisClusterException) as error:
        raise BrokerUnavailable(
            f"no Redis answers at {safe_url(url)} ({_told(error)}). {_advice(url, error)}"
        ) from error
    except redis.ResponseError as error:
        if is_missing_function(error):
            raise
        if str(error).lower().startswith("unknown command"):
            raise BrokerUnsuitable(f"{safe_url(url)} is too old or lacks a command ({error}). {_NEEDED}") from error
        raise BrokerError(f"{safe_url(url)} refused a command: {error}") from error


def _told(error: Exception) -> str:
    # The text of a cluster's fault may quote the command, and so a photo.
    return "its cluster is not whole" if isinstance(error, RedisClusterException) else str(error)


def _advice(url: str, error: Exception) -> str:
    """Return what to do about a server that does not answer. What TLS has to do with it, redis-py tells in words."""
    tls, said = url.startswith("rediss://"), str(error)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            "Its certificate is not trusted: end the address with ?ssl_ca_certs=/PATH/ca.pem, the authority that "
            "issued the certificate, and use the host name that it was issued for."
        )
    if tls and ("No such file" in said or "Permission denied" in said or "[X509" in said or "[SSL" in said):
        return "Check the files that the address names (ssl_ca_certs, ssl_certfile, ssl_keyfile); see ops/redis."
    advice = f"Start one with `songlens up`, or give its address in {URL_VARIABLE} or --redis."
    if tls:
        return f"{advice} This one asks for TLS; that of a port without TLS begins with redis://."
    if "reset by peer" in said or "closed by server" in said:
        return f"{advice} That of a port with TLS begins with rediss://."
    return advice


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
        raise BrokerUnsuitable(f"the server is {kind} {'.'.join(map(str, version))}. {_NEEDED}")
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
