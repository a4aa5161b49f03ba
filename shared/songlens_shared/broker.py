"""Connecting to the Redis or Valkey server, or to a cluster of them, and saying in words what goes wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
from redis import asyncio as redis_asyncio
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from songlens_shared.address import PASSWORD_FILE_VARIABLE, URL_VARIABLE, is_socket, safe_url, url_errors
from songlens_shared.cluster import AsyncClusterConnection, ClusterConnection
from songlens_shared.errors import BrokerError, BrokerUnavailable, BrokerUnsuitable
from songlens_shared.server import NEEDED, is_missing_function

SOCKET_TIMEOUT_S = 5.0
"""redis-py's default. Every blocking read must stay well under it, or a quiet queue looks like a dead server."""

WATCH_TIMEOUT_S = 2.0
"""For those who tell whether the server answers: Prometheus and a readiness probe do not wait for longer."""

BLOCK_MS = 2000
"""How long one blocking stream read waits."""


# Not timeouts: redis-py retries the command, the connection and its health check inside each other, so that a host
# which accepts and never answers would hold a caller for minutes instead of one socket timeout.
_RETRIED = (redis.ConnectionError,)


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=0.05, cap=1.0)


def _tcp(timeout_s: float) -> dict[str, Any]:
    """Return what redis-py knows of connections over a network alone: a socket file cannot be cut off unseen."""
    return {"socket_connect_timeout": timeout_s, "socket_keepalive": True}


def _options(url: str, max_connections: int, timeout_s: float = SOCKET_TIMEOUT_S) -> dict[str, Any]:
    return {
        "max_connections": max_connections,
        "timeout": timeout_s,
        "health_check_interval": 30,
        "socket_timeout": timeout_s,
        **({} if is_socket(url) else _tcp(timeout_s)),
    }


def connect(
    url: str, *, max_connections: int = 32, retries: int = 3, timeout_s: float = SOCKET_TIMEOUT_S
) -> redis.Redis:
    """Return a client of one server, with a bounded, blocking pool; connects on first use.

    Raises `ConfigError` for a URL that names no server.
    """
    with url_errors(url):
        retry = Retry(_backoff(), retries, _RETRIED)
        pool = redis.BlockingConnectionPool.from_url(url, retry=retry, **_options(url, max_connections, timeout_s))
    return redis.Redis.from_pool(pool)


def connect_asyncio(url: str, *, max_connections: int = 32, retries: int = 3) -> redis_asyncio.Redis:
    """Return an asyncio client of one server, with a bounded, blocking pool; connects on first use.

    Raises `ConfigError` for a URL that names no server.
    """
    from redis.asyncio.retry import Retry as AsyncRetry

    with url_errors(url):
        retry = AsyncRetry(_backoff(), retries, _RETRIED)
        pool = redis_asyncio.BlockingConnectionPool.from_url(url, retry=retry, **_options(url, max_connections))
    return redis_asyncio.Redis.from_pool(pool)


def open_redis(
    url: str, *, max_connections: int = 32, retries: int = 3, timeout_s: float = SOCKET_TIMEOUT_S
) -> redis.Redis:
    """Connect at once, and return a client of the server or, where it belongs to a Redis Cluster, of all its nodes.

    The latter has the methods of the former. Raises `ConfigError` for a URL that names no server, and what redis-py
    raises for one that cannot be reached: see `broker_errors`.
    """
    server = connect(url, max_connections=max_connections, retries=retries, timeout_s=timeout_s)
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
            socket_timeout=timeout_s,
            **_tcp(timeout_s),
            max_connections=max_connections,
            timeout=timeout_s,
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
    cluster = AsyncClusterConnection.from_url(
        url, retry=retry, socket_timeout=SOCKET_TIMEOUT_S, **_tcp(SOCKET_TIMEOUT_S), max_connections=max_connections
    )
    # redis-py would do so for the first command. Where many come first at once, it cuts off connections of its own.
    try:
        await cluster.initialize()
    except BaseException:
        await cluster.aclose()
        raise
    return cast(redis_asyncio.Redis, cluster)


def _in_cluster_mode(hello: Any) -> bool:
    """Read what HELLO tells, a map or a flat list by the protocol that was negotiated."""
    pairs = hello.items() if isinstance(hello, dict) else zip(hello[::2], hello[1::2], strict=True)
    return (b"mode", b"cluster") in pairs


@contextmanager
def broker_errors(url: str) -> Iterator[None]:
    """Turn redis-py's errors into `BrokerUnavailable` and its kin, which say what to do.

    A missing function passes as it is: whoever calls one loads the library and tries again.
    """
    try:
        yield
    except redis.AuthenticationError as error:
        raise BrokerUnavailable(
            f"{safe_url(url)} refuses the user name or password: {error}. Give both in {URL_VARIABLE} or --redis, "
            f"or only the user there and the password in the file that {PASSWORD_FILE_VARIABLE} names."
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
            raise BrokerUnsuitable(f"{safe_url(url)} is too old or lacks a command ({error}). {NEEDED}") from error
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
