"""httpx over connections whose addresses were checked, or through a proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager

import httpcore
import httpx

from songlens_training.collect.addresses import CheckedBackend, PrivateAddress
from songlens_workers.addresses import is_public

KEEPALIVE_S = 30.0


class CheckedTransport(httpx.AsyncBaseTransport):
    """Sends requests over HTTP/1.1. Raises httpx's `TimeoutException` and `TransportError`, and `PrivateAddress`.

    Without a proxy every connection goes through `CheckedBackend`. A proxy resolves names itself, so that only
    addresses written as numbers, and `localhost`, can be refused here.
    """

    def __init__(self, *, allowed_hosts: Collection[str], connections: int, proxy: str | None) -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._proxied = proxy is not None
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            proxy=_proxy(proxy) if proxy else None,
            max_connections=connections,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=None if proxy else CheckedBackend(allowed_hosts),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._proxied:
            self._check_literal(request.url.host)
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx(request):
            received = await self._pool.handle_async_request(sent)
        return httpx.Response(
            received.status,
            headers=received.headers,
            stream=_Body(received, request),
            extensions=received.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()

    def _check_literal(self, host: str) -> None:
        if host.lower() in self._allowed:
            return
        try:
            public = host.lower() != "localhost" and is_public(host)
        except ValueError:
            return  # a name, which is the proxy's to resolve
        if not public:
            raise PrivateAddress(host)


def _proxy(url: str) -> httpcore.Proxy:
    proxy = httpx.Proxy(url)
    address = httpcore.URL(scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=b"/")
    return httpcore.Proxy(address, auth=proxy.raw_auth)


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Turn httpcore's errors into those that httpx's users know."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except (httpcore.ConnectError, httpcore.ProxyError) as error:
        raise httpx.ConnectError(str(error), request=request) from error
    except httpcore.ProtocolError as error:
        raise httpx.RemoteProtocolError(str(error), request=request) from error
    except (httpcore.NetworkError, httpcore.UnsupportedProtocol) as error:
        raise httpx.ReadError(str(error), request=request) from error
