"""Only public addresses are connected to, however they are written."""

from __future__ import annotations

import httpcore
import pytest

from songlens_training.collect.addresses import CheckedBackend, PrivateAddress
from songlens_workers.addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "64:ff9b:1::7f00:1", "2001:0:7f00:1::", "::7f00:1", "fec0::1", "198.18.0.1", "192.0.0.1", "240.0.0.1",
        "2001:db8::1",
    ],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    """Loopback, private, link-local, shared, multicast and reserved addresses, also inside IPv6, are not public."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses(address: str) -> None:
    """Addresses of the internet are public."""
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "2130706433", "0x7f.1", "127.1", "[::1]", "::1"]
)
async def test_a_private_host_is_refused_before_connecting(host: str) -> None:
    """What counts is the address that a name or an odd spelling resolves to; no connection is opened."""
    with pytest.raises((PrivateAddress, httpcore.ConnectError)) as caught:
        await CheckedBackend(()).connect_tcp(host, 9, timeout=1)
    if host != "[::1]":
        assert caught.type is PrivateAddress


async def test_an_allowed_host_is_connected_to() -> None:
    """A host that the user names may be private: here nothing listens, so that connecting is what fails."""
    with pytest.raises(httpcore.ConnectError):
        await CheckedBackend({"LocalHost"}).connect_tcp("localhost", 9, timeout=1)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 300])
async def test_a_name_without_address(host: str) -> None:
    """A name that cannot be resolved is a failed connection, not a crash."""
    with pytest.raises(httpcore.ConnectError):
        await CheckedBackend(()).connect_tcp(host, 80, timeout=1)
