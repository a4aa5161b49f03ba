"""Photos from web servers: addresses that were checked, no redirects, no proxy, one limit for the whole time."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from importlib.metadata import version
from io import BufferedReader, RawIOBase
from typing import Any

from songlens_shared.errors import BadRequest
from songlens_workers.addresses import is_public
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.uri.prefixes import DEFAULT_PORTS, Place
from songlens_workers.vision.uri.reading import NotFetched, read_all
from songlens_workers.vision.uri.time_limit import TimeLimit

Address = tuple[Any, ...]
Resolve = Callable[[str, int], list[tuple[socket.AddressFamily, Address]]]


def resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
    """Return the addresses of a host in the order of the system's preference; raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


class WebPhotos:
    """GETs photos, each over a connection of its own."""

    def __init__(self, *, private: bool, resolve: Resolve = resolve) -> None:
        """`private` lets hosts have addresses that are not public."""
        self._private = private
        self._resolve = resolve
        # Trusts the system's authorities, and those that SSL_CERT_FILE and SSL_CERT_DIR name.
        self._tls = ssl.create_default_context()
        self._agent = f"Songlens/{version('songlens')} (fetches photos of requests)"

    def read(self, place: Place, limits: ImageLimits, limit: TimeLimit) -> bytes:
        """Return the body of the answer.

        Raises `BadRequest` for a host with a private address, `NotFetched`, `ImageTooLarge` or `TimeoutError`.
        """
        try:
            with self._connected(place, limit) as connected:
                return self._get(place, _TimedSocket(connected, limit), limits, limit)
        except TimeoutError:
            raise
        except ssl.SSLCertVerificationError:
            raise NotFetched("the server's certificate is not one for this host that we trust") from None
        except (OSError, ValueError):
            raise NotFetched("the connection could not be made, or broke off") from None
        except http.client.HTTPException:
            raise NotFetched("the server's answer is cut short, or is not HTTP") from None

    def _connected(self, place: Place, limit: TimeLimit) -> socket.socket:
        host = place.host.strip("[]")
        connected = self._connect(self._addresses(host, place.port or 0), limit)
        if place.scheme == "http":
            return connected
        try:
            connected.settimeout(limit.left_s())
            return self._tls.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise

    def _addresses(self, host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
        addresses = self._resolve(host, port)
        if not self._private and not all(is_public(str(address[0])) for _, address in addresses):
            raise BadRequest(
                "the uri's host has an address that is not public; send the photo's bytes as image, or have "
                "uri_private set for the vision workers."
            )
        return addresses

    def _connect(self, addresses: list[tuple[socket.AddressFamily, Address]], limit: TimeLimit) -> socket.socket:
        """Connect to the first of the addresses that answers: these very ones, since a second look may find others."""
        for left, (family, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
            connecting = socket.socket(family, socket.SOCK_STREAM)
            try:
                connecting.settimeout(limit.left_s() / left)
                connecting.connect(address)
            except OSError:
                connecting.close()
                if left == 1:
                    raise
            else:
                return connecting
        raise OSError("the host has no address")

    def _get(self, place: Place, connected: _TimedSocket, limits: ImageLimits, limit: TimeLimit) -> bytes:
        client = http.client.HTTPConnection(place.host.strip("[]"), place.port)
        client.sock = connected
        headers = {"Host": _authority(place), "User-Agent": self._agent, "Accept": "image/*", "Connection": "close"}
        client.request("GET", place.target, headers=headers)
        with client.getresponse() as response:
            if response.status in range(300, 400):
                raise NotFetched("the server redirects, which is not followed; give the uri that it leads to")
            if response.status != 200:
                raise NotFetched(f"the server answered with status {response.status}")
            promised = response.length
            limits.check_bytes(promised or 0)
            image = read_all(response.read, limits, limit)
        if promised is not None and len(image) < promised:
            raise http.client.IncompleteRead(b"")
        return image


def _authority(place: Place) -> str:
    return place.host if place.port == DEFAULT_PORTS[place.scheme] else f"{place.host}:{place.port}"


class _TimedSocket:
    """What http.client needs of a socket. Each wait is cut to what is left of the whole, so that dripping is no use."""

    def __init__(self, connected: socket.socket, limit: TimeLimit) -> None:
        self._connected = connected
        self._limit = limit

    def sendall(self, content: bytes) -> None:
        self._connected.settimeout(self._limit.left_s())
        self._connected.sendall(content)

    def makefile(self, mode: str) -> BufferedReader:
        return BufferedReader(_TimedReader(self._connected, self._limit))

    def close(self) -> None:
        """The answer is still read after http.client closes its side; whoever connected closes the connection."""


class _TimedReader(RawIOBase):
    def __init__(self, connected: socket.socket, limit: TimeLimit) -> None:
        self._connected = connected
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connected.settimeout(self._limit.left_s())
        return self._connected.recv_into(buffer)
