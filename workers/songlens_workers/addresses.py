"""Which network addresses are those of the public internet.

Whoever lets others name hosts checks the addresses that a name resolves to, and connects to the very address that was
checked, so that a name server cannot answer differently the second time (server-side request forgery, CWE-918).
"""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the public internet, whatever it is wrapped in."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.is_site_local:  # deprecated by RFC 3879, and still routed where somebody uses it
            return False
        parsed = _unwrapped(parsed)
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _unwrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
