"""Bring command line tools that tests check our operations files with into .venv/tools, out of Debian's packages.

Needs neither root nor an installation: apt runs with a state of its own, and the mirrors and keys of the machine.
Where a tool cannot be had, this says so and ends well: the tests that need it are skipped, and say so too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent / ".venv" / "tools"
SUITE = "trixie"
"""The first of Debian's suites with a Compose that knows today's specification, and with kustomize."""

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "promtool",
    "docker-compose": "docker-compose",
    "kustomize": "kustomize",
}
"""Which package has which command."""

_SIGNED_BY = "/usr/share/keyrings/debian-archive-keyring.gpg"


def main() -> None:
    """Fetch what is not there yet."""
    missing = {tool for tool in PACKAGES if not (TOOLS / "usr" / "bin" / tool).exists()}
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        apt = _apt(Path(folder))
        _ran([*apt, "update"], folder)
        for tool in sorted(missing):
            fetched = _ran([*apt, "download", PACKAGES[tool]], folder)
            packages = list(Path(folder).glob(f"{PACKAGES[tool]}_*.deb"))
            if not (fetched and packages and _ran(["dpkg", "-x", str(packages[0]), str(TOOLS)], folder)):
                sys.stderr.write(f"Debian's {tool} cannot be fetched here; the tests that need it will be skipped.\n")


def _apt(folder: Path) -> list[str]:
    """Return apt-get with sources and state of its own."""
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    sources = folder / "sources.list"
    sources.write_text("".join(f"deb [signed-by={_SIGNED_BY}] {mirror} {SUITE} main\n" for mirror in _mirrors()))
    return [
        "apt-get",
        "-qq",
        *("-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=-"),
        *("-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"),
        *("-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=true"),
    ]


def _mirrors() -> list[str]:
    """Return where this machine has Debian's packages from; empty where it is no Debian."""
    try:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return []
    return sorted({uri for uri in listed if uri.rstrip("/").endswith("/debian")})


def _ran(command: list[str], folder: str) -> bool:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    main()
