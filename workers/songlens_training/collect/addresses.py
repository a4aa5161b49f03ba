"""Which addresses may be connected to: public ones, and those of hosts that the user names.

A page or a redirect may name a host inside the user's own network (server-side request forgery, CWE-918). The check is
made on the addresses that a name resolves to, and the connection goes to the very address that was checked, so
that a name server cannot answer differently the second time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Iterable
from typing import Any

import httpcore

from songlens_workers.addresses import is_public


class PrivateAddress(Exception):
    """The host has an address that is not public, and the user has not allowed it."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name, refuses it unless every address is public or the host is allowed, and connects.

    Raises `PrivateAddress`, and `httpcore.ConnectError` or `httpcore.ConnectTimeout` where no address answers.
    """

    def __init__(self, allowed_hosts: Collection[str]) -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await _resolve(host, port)
        if host.lower() not in self._allowed and not all(map(is_public, addresses)):
            raise PrivateAddress(host)
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def _resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, each once, in the order of the system's preference."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
