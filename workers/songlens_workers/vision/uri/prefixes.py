"""Which uris a request may name: put into one spelling, and held against the prefixes that are allowed.

Nothing is mended here. What two programs could read differently (`..` in any encoding, a backslash, `user@`, an empty
segment) is refused, so that what is checked and what is fetched are the same place.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

FILE = "file"
DEFAULT_PORTS = {"http": 80, "https": 443}

_MOST_CHARACTERS = 8192
_MOST_ENCODINGS = 4

# RFC 3986 without fragments, which no server ever sees, and without `user@`.
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?]*)(?P<path>(?:/[^?]*)?)(?:\?(?P<query>.*))?"
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::(?P<port>[0-9]{0,5}))?")


class NotAllowed(Exception):
    """The uri or prefix is refused; the message is the reason in a few words, without the uri."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a uri leads."""

    scheme: str
    host: str
    """In small letters for http and https, the bucket as it is for an object store, empty for a file."""

    port: int | None
    """Of http and https."""

    segments: tuple[str, ...]
    """The path, percent-decoded."""

    target: str
    """Path and query as they were given, for a web server."""

    def is_within(self, prefix: Place) -> bool:
        """Say whether this place lies beneath the prefix, by whole segments of the path."""
        count = len(prefix.segments)
        return (
            (self.scheme, self.host, self.port) == (prefix.scheme, prefix.host, prefix.port)
            and self.segments[:count] == prefix.segments
            and len(self.segments) > count
        )


def parse_uri(uri: str) -> Place:
    """Return where a request's uri leads; raises `NotAllowed`."""
    if len(uri) > _MOST_CHARACTERS:
        raise NotAllowed(f"it has more than {_MOST_CHARACTERS} characters")
    if not _CHARACTERS.fullmatch(uri):
        raise NotAllowed("it holds a character that must be percent-encoded, or a fragment")
    parts = _PARTS.fullmatch(uri)
    if parts is None:
        raise NotAllowed("it is not SCHEME://HOST/PATH")
    scheme = parts["scheme"].lower()
    if parts["query"] is not None and scheme not in DEFAULT_PORTS:
        raise NotAllowed("only http and https have a query; write a ? of a name as %3F")
    host, port = _host_and_port(scheme, parts["authority"])
    path = parts["path"]
    return Place(
        scheme=scheme,
        host=host,
        port=port,
        segments=tuple(_decoded(segment) for segment in path.split("/")[1:]),
        target=(path or "/") + ("" if parts["query"] is None else f"?{parts['query']}"),
    )


def parse_prefix(prefix: str) -> Place:
    """Return the place of a prefix: a folder, so that a slash at its end makes no difference. Raises `NotAllowed`."""
    place = parse_uri(prefix.removesuffix("/"))
    if "?" in place.target:
        raise NotAllowed("a prefix has no query")
    if place.scheme == FILE and not place.segments:
        raise NotAllowed("it is the whole file system; name a folder")
    if place.scheme != FILE and not place.host:
        raise NotAllowed("it has no host or bucket")
    return place


def _host_and_port(scheme: str, authority: str) -> tuple[str, int | None]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise NotAllowed("its host is not one, or a user name or password stands before it")
    if scheme in DEFAULT_PORTS:
        port = int(found["port"] or DEFAULT_PORTS[scheme])
        if not 0 < port < 65536:
            raise NotAllowed("its port is not one")
        return _spelt(found["host"].lower()), port
    if found["port"] is not None:
        raise NotAllowed("only http and https have a port")
    if scheme != FILE:
        return authority, None
    if authority.lower() not in ("", "localhost"):  # RFC 8089
        raise NotAllowed("a file has no host")
    return "", None


def _spelt(host: str) -> str:
    """Return an IPv6 address in its one short spelling, and any other host as it is."""
    if not host.startswith("["):
        return host
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    except ValueError:
        raise NotAllowed("its host is not an IPv6 address") from None


def _decoded(segment: str) -> str:
    """Return a segment decoded once, after a look at it as any server may see it, however often that decodes."""
    spellings = [segment]
    while len(spellings) <= _MOST_ENCODINGS:
        _check(spellings[-1])
        try:
            spellings.append(unquote(spellings[-1], errors="strict"))
        except UnicodeDecodeError:
            raise NotAllowed("its path is not UTF-8") from None
        if spellings[-1] == spellings[-2]:
            return spellings[1]
    raise NotAllowed("its path is percent-encoded too often")


def _check(segment: str) -> None:
    """Raise `NotAllowed` for what leads elsewhere, also where `;parameters` are dropped or full-width dots folded."""
    folded = unicodedata.normalize("NFKC", segment)
    if not folded:
        raise NotAllowed("its path has an empty segment")
    if folded.partition(";")[0] in (".", ".."):
        raise NotAllowed("its path has a segment of dots")
    if any(character in "/\\" or unicodedata.category(character) == "Cc" for character in folded):
        raise NotAllowed("its path has an encoded slash, a backslash or a control character")
