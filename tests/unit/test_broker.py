"""Finding the server, and what is said of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.address import DEFAULT_URL, address_file, home, resolve_url, safe_url
from songlens_shared.broker import broker_errors, connect, connect_asyncio
from songlens_shared.errors import BrokerError, BrokerUnavailable, BrokerUnsuitable, ConfigError
from songlens_shared.server import is_missing_function, server_info
from songlens_workers.settings import JobsSettings, MetricsSettings, load_settings


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SONGLENS_HOME", str(tmp_path))
    monkeypatch.delenv("SONGLENS_REDIS_URL", raising=False)
    monkeypatch.delenv("SONGLENS_REDIS_PASSWORD_FILE", raising=False)
    return tmp_path


@pytest.fixture
def password_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that SONGLENS_REDIS_PASSWORD_FILE names; the test writes it."""
    path = tmp_path / "password"
    monkeypatch.setenv("SONGLENS_REDIS_PASSWORD_FILE", str(path))
    return path


def leave_address(**fields: Any) -> None:
    address_file().parent.mkdir(parents=True, exist_ok=True)
    address_file().write_text(json.dumps({"url": "redis://127.0.0.1:7000", "pid": os.getpid(), **fields}))


def test_order_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's word goes before the environment, that before the embedded server, that before the default."""
    assert resolve_url() == DEFAULT_URL
    leave_address()
    assert resolve_url() == "redis://127.0.0.1:7000"
    monkeypatch.setenv("SONGLENS_REDIS_URL", "redis://environment")
    assert resolve_url() == "redis://environment"
    assert resolve_url("redis://caller") == "redis://caller"
    monkeypatch.setenv("SONGLENS_REDIS_URL", "")
    assert resolve_url() == "redis://127.0.0.1:7000"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_password_from_a_file(password_file: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Wherever an address comes from that names a user and no password, in clients and in workers alike."""
    password_file.write_bytes(f"a b/#@:é?{end}".encode())
    whole = "redis://vision:a%20b%2F%23%40%3A%C3%A9%3F@queue:6379/2"
    assert resolve_url("redis://vision@queue:6379/2") == whole
    monkeypatch.setenv("SONGLENS_REDIS_URL", "redis://vision@queue:6379/2")
    monkeypatch.setenv("SONGLENS_JOBS_REDIS_URL", "rediss://jobs@jobs?ssl_ca_certs=/ca@home.pem")
    assert resolve_url() == whole
    settings = load_settings(JobsSettings)
    assert settings.redis_url == whole
    assert settings.jobs_url == whole.replace("redis://vision", "rediss://jobs").replace(
        "queue:6379/2", "jobs?ssl_ca_certs=/ca@home.pem"
    )
    assert connect(whole).connection_pool.connection_kwargs["password"] == "a b/#@:é?"
    assert load_settings(MetricsSettings, redis_url="unix://watcher@/run/redis.sock").redis_url.startswith(
        "unix://watcher:a%20b"
    )


@pytest.mark.parametrize(
    "url",
    [
        "redis://queue:6379",
        "redis://vision:own@queue:6379",
        "redis://:own@queue:6379",
        "redis://vision@queue:6379?password=own",
        "redis://queue/0?client_name=me@home",
    ],
)
def test_an_address_that_is_whole_needs_no_password_file(password_file: Path, url: str) -> None:
    """A password in the address goes first, and whoever names no user gets none: the file is not even read."""
    assert not password_file.exists()
    assert resolve_url(url) == url
    assert load_settings(JobsSettings, redis_url=url).redis_url == url


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"secret\nsecret\n", "one line of text"),
        (b"secret\0", "one line of text"),
        (b"secret\xff", "one line of text"),
        (b"secret" * 1000, "one line of text"),
    ],
)
def test_a_password_file_without_one(password_file: Path, content: bytes | None, said: str) -> None:
    """The sentence names variable and file, and shows nothing that the file holds; a worker ends with status 2."""
    if content is not None:
        password_file.write_bytes(content)
    for ask in (resolve_url, lambda url: load_settings(JobsSettings, redis_url=url)):
        with pytest.raises(ConfigError, match=said) as refused:
            ask("redis://vision@queue")
        assert f"SONGLENS_REDIS_PASSWORD_FILE names {password_file}, which " in refused.value.message
        assert "secret" not in refused.value.message


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("fields", [{"pid": "dead"}, {"pid": "x"}, {"pid": None}, {"url": None, "pid": dead_pid()}])
def test_a_stale_address_is_not_used(fields: dict[str, Any]) -> None:
    """The address that a killed `songlens up` left behind, or a damaged one, is passed over."""
    leave_address(**{**fields, "pid": dead_pid() if fields["pid"] == "dead" else fields["pid"]})
    assert resolve_url() == DEFAULT_URL


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"url": "redis://x"}'])
def test_a_damaged_address_is_not_used(content: str) -> None:
    """A file that holds no address is passed over."""
    address_file().parent.mkdir(parents=True)
    address_file().write_text(content)
    assert resolve_url() == DEFAULT_URL


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SONGLENS_HOME, with a tilde expanded, or a folder in the user's home."""
    assert home() == tmp_path
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("SONGLENS_HOME", "~/music")
    assert home() == Path("/home/somebody/music")
    monkeypatch.setenv("SONGLENS_HOME", "")
    assert home() == Path("/home/somebody/.songlens")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379", "redis://localhost:6379"),
        ("redis://user@host/1", "redis://user@host/1"),
        ("redis://user:pw@host:7/1", "redis://user:***@host:7/1"),
        ("rediss://:pw@host", "rediss://:***@host"),
        ("redis://:p@ss/w#rd?@host:7/1", "redis://:***@host:7/1"),
        ("redis://host?password=pw&db=1", "redis://host?password=***&db=1"),
        ("unix://user:pw@/run/redis.sock?db=1", "unix://user:***@/run/redis.sock?db=1"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
        ("nonsense", "nonsense"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    """Whatever a password holds, escaped or not, the shown URL holds none of it and all the rest."""
    assert safe_url(url) == shown


@given(st.text(min_size=4).filter(lambda password: password not in "redis://user:***@host:6379/0"))
def test_no_password_is_ever_shown(password: str) -> None:
    """For every password there is, the shown URL is the same."""
    assert safe_url(f"redis://user:{password}@host:6379/0").startswith("redis://user:***@host")


@pytest.mark.parametrize("make", [connect, connect_asyncio])
@pytest.mark.parametrize(
    "url", ["", "localhost:6379", "http://host", "redis://:pa/ss@host:6379", "redis://[::1", "redis://host?db=x"]
)
def test_what_is_no_url(make: Any, url: str) -> None:
    """A URL that names no server is a mistake in the settings; the message says how one looks, without the password."""
    with pytest.raises(ConfigError, match="is not a Redis URL; write redis://USER:PASSWORD@HOST") as refusal:
        make(url)
    assert "pa" not in refusal.value.message.split("write")[0].replace("'", "")


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (redis.ConnectionError("refused"), BrokerUnavailable, r"no Redis answers at redis://u:\*\*\*@h \(refused\)"),
        (
            redis.TimeoutError("slow"),
            BrokerUnavailable,
            "Start one with `songlens up`, or give its address in SONGLENS",
        ),
        (redis.exceptions.BusyLoadingError("loading"), BrokerUnavailable, "no Redis answers"),
        (redis.AuthenticationError("wrong"), BrokerUnavailable, "refuses the user name or password"),
        (redis.exceptions.NoPermissionError("no fcall"), BrokerUnavailable, "forbids a needed command: no fcall"),
        (redis.ResponseError("unknown command 'FCALL'"), BrokerUnsuitable, "needs Redis 7.0 or Valkey 7.2, or newer"),
        (redis.ReadOnlyError("read only replica"), BrokerError, "refused a command: read only replica"),
        (redis.OutOfMemoryError("memory"), BrokerError, "refused a command: memory"),
    ],
)
def test_errors_say_what_to_do(error: Exception, expected: type[Exception], message: str) -> None:
    """Each way in which a server fails has its class and a sentence; the first error stays as the cause."""
    with pytest.raises(expected, match=message) as raised, broker_errors("redis://u:pw@h"):
        raise error
    assert type(raised.value) is expected
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [redis.ResponseError("Function not found"), KeyError("mine")])
def test_other_errors_pass(error: Exception) -> None:
    """A missing function is for the caller to mend; what is no error of the server is not touched."""
    with pytest.raises(type(error)) as raised, broker_errors("redis://h"):
        raise error
    assert raised.value is error
    assert is_missing_function(redis.ResponseError("Function not found"))
    assert not is_missing_function(redis.ResponseError("NOGROUP"))


class Server:
    """Stands for servers of versions that cannot be had here."""

    def __init__(self, **info: Any) -> None:
        self.info = lambda: info


@pytest.mark.parametrize(
    ("info", "shown"),
    [
        ({"redis_version": "7.0.0"}, "redis 7.0.0"),
        ({"redis_version": "8.4.1", "cluster_enabled": 1}, "redis 8.4.1 (cluster)"),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5", "cluster_enabled": 0}, "valkey 7.2.5"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "valkey 9.1.2"),
    ],
)
def test_servers_that_do(info: dict[str, Any], shown: str) -> None:
    """Valkey is told from Redis, whose version it also reports."""
    assert str(server_info(Server(**info))) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["6.2.14", "5.0", "2.8.19"])
def test_servers_that_are_too_old(version: str) -> None:
    """A server without Redis Functions is unsuitable, and the message says what is needed."""
    with pytest.raises(
        BrokerUnsuitable, match=f"the server is redis {version}. Songlens needs Redis 7.0 or Valkey 7.2"
    ):
        server_info(Server(redis_version=version))  # type: ignore[arg-type]
