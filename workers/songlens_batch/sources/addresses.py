"""Paths and URLs: which of them a text is, and how it may be shown."""

from __future__ import annotations

import os
import posixpath
import re
from urllib.parse import unquote

from songlens_shared.errors import DataError

WEB = frozenset({"http", "https"})
_FILE = frozenset({"file", "local"})

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_USER = re.compile(r"(?<=://)[^/@]*@")
_USER_WITH_PASSWORD = re.compile(r"(?<=://)[^/@:]*:[^/@]*@")  # abfs://CONTAINER@ACCOUNT has neither


def scheme_of(address: str) -> str:
    """Return the scheme of a URL in small letters; empty for a path."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def is_local(address: str) -> bool:
    """Say whether an address is a path or a file URL."""
    return "://" not in address or scheme_of(address) in ("", *_FILE)


def is_chained(address: str) -> bool:
    """Say whether fsspec would see several URLs in one, as in `zip://a.jpg::s3://bucket/a.zip`."""
    return "::" in address


def local_path(address: str) -> str:
    """Return the path of a local address, absolute unless it is a relative path.

    A file URL is percent-decoded (RFC 8089). Raises `DataError` for one that names another machine, or is not UTF-8.
    """
    if not scheme_of(address):
        return address
    host, slash, path = address.partition("://")[2].partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise DataError(f"{shown(address)} is not file:///PATH; write the path by itself.")
    try:
        return unquote("/" + path, errors="strict")
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(address)} is not UTF-8 once decoded; rename the file.") from error


def folder_of(address: str) -> str:
    """Return the folder that a file lies in, as an address of the same kind."""
    scheme, mark, rest = address.rpartition("://")
    return f"{scheme}{mark}{posixpath.dirname(rest)}"


def joined(folder: str, relative: str) -> str:
    """Return the address of a file that is named relative to a folder."""
    if "://" not in folder:
        return os.path.join(folder, relative)  # noqa: PTH118 - a million times, and pathlib is slow
    scheme, _, rest = folder.partition("://")
    return f"{scheme}://{posixpath.normpath(posixpath.join(rest, relative))}"


def shown(address: str) -> str:
    """Return an address as messages may show it: on one line, without a password or what a query holds."""
    text = address.encode("utf-8", "backslashreplace").decode()
    if scheme_of(address) in WEB:
        text = _USER.sub("", text.partition("?")[0])
    text = _USER_WITH_PASSWORD.sub("", text)
    return text if text.isprintable() else repr(text)[1:-1]
