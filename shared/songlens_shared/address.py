"""Where the Redis or Valkey server is, and how that is written down.

The address is, in this order: what the caller gives, the environment variable SONGLENS_REDIS_URL, the embedded server
that `songlens up` is running (it leaves its address in SONGLENS_HOME), redis://localhost:6379.

An address that names a user and no password (redis://USER@HOST:PORT) takes the password from the file that
SONGLENS_REDIS_PASSWORD_FILE names, so that it stands neither on a command line nor in an environment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis

from songlens_shared.errors import ConfigError

DEFAULT_URL = "redis://localhost:6379"
URL_VARIABLE = "SONGLENS_REDIS_URL"
PASSWORD_FILE_VARIABLE = "SONGLENS_REDIS_PASSWORD_FILE"
PARTITIONS_VARIABLE = "SONGLENS_PARTITIONS"
HOME_VARIABLE = "SONGLENS_HOME"

_PASSWORD_CHARACTERS = 1024
"""More than any password has; a file of more is another one, named by mistake."""


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
    """Return the server's URL by the order in this module's docstring, with its password.

    Raises `ConfigError` for a password file that holds none.
    """
    return with_password(url or os.environ.get(URL_VARIABLE) or _embedded_url() or DEFAULT_URL)


def with_password(url: str) -> str:
    """Return the URL with the password of SONGLENS_REDIS_PASSWORD_FILE, where it names a user and no password.

    Raises `ConfigError` for a file that holds none; its text is in no message.
    """
    file = os.environ.get(PASSWORD_FILE_VARIABLE)
    user = re.match(r"[a-z]+://[^:/?#@]+(?=@)", url)
    if not file or not user or re.search(r"[?&]password=", url):
        return url
    return f"{user[0]}:{quote(_password(file), safe='')}{url[user.end() :]}"


def _password(file: str) -> str:
    try:
        with Path(file).open(encoding="utf-8", newline="") as opened:
            password = opened.read(_PASSWORD_CHARACTERS + 2).removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ConfigError(f"{PASSWORD_FILE_VARIABLE} names {file}, which cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        password = "\ufffd\n"  # as little a password as any other file
    if not password:
        raise ConfigError(f"{PASSWORD_FILE_VARIABLE} names {file}, which is empty; write the password into it.")
    if len(password) > _PASSWORD_CHARACTERS or not password.isprintable():
        raise ConfigError(f"{PASSWORD_FILE_VARIABLE} names {file}, which must hold one line of text, the password.")
    return password


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


def is_socket(url: str) -> bool:
    """Say whether the URL names a socket file of this machine."""
    return url.startswith("unix://")


def check_url(url: str) -> None:
    """Raise `ConfigError` for a URL that names no server; asks nobody."""
    with url_errors(url):
        redis.connection.parse_url(url)  # type: ignore[no-untyped-call]


@contextmanager
def url_errors(url: str) -> Iterator[None]:
    """Turn what redis-py says of a URL that it cannot take into `ConfigError`, without the password."""
    try:
        yield
    except ValueError:
        # The error's own text may quote a piece of the password.
        raise ConfigError(
            f"{safe_url(url)!r} is not a Redis URL; write redis://USER:PASSWORD@HOST:PORT/DATABASE (rediss:// for TLS, "
            "unix:// for a socket), with special characters of the password percent-encoded."
        ) from None
