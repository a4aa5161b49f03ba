"""ops/redis/make_secrets.py: a password for each role, whom a server lets in by its hash."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from dockerfile import ROOT

SCRIPT = ROOT / "ops" / "redis" / "make_secrets.py"
ROLES = {"client", "vision", "songs", "jobs", "operator", "metrics", "dashboard", "scaler"}


def make(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it as a person does."""
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, folder], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder of a first run."""
    done = make(tmp_path / "secrets")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return tmp_path / "secrets"


def test_what_is_made(made: Path) -> None:
    """A long password for each user of users.acl, all different, and for Grafana; only the owner may enter."""
    assert {path.name for path in made.iterdir()} == {*ROLES, "grafana", "users.acl"}
    passwords = {path.read_text().strip() for path in made.iterdir() if path.name != "users.acl"}
    assert len(passwords) == len(ROLES) + 1
    assert min(map(len, passwords)) >= 32
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o444}


def test_the_server_s_file_has_hashes_alone(made: Path) -> None:
    """The rules are those of users.acl; no password is in it in clear."""
    given, written = (ROOT / "ops/redis/users.acl").read_text().splitlines(), (made / "users.acl").read_text()
    for rule, line in zip(given, written.splitlines(), strict=True):
        role = rule.split()[1].removeprefix("songlens-")
        if role == "default":
            assert line == "user default off"
            continue
        password = (made / role).read_text().strip()
        assert line == f"{rule} #{sha256(password.encode()).hexdigest()}"
        assert password not in written


def test_a_second_run_keeps_what_is_there(made: Path) -> None:
    """One password was deleted and is made anew, another is a person's own; the others stay as they are."""
    before = {path.name: path.read_text() for path in made.iterdir()}
    (made / "vision").unlink()
    (made / "songs").unlink()
    (made / "songs").write_text("my own, with spaces")
    (made / "songs").chmod(0o600)
    assert make(made).returncode == 0
    after = {path.name: path.read_text() for path in made.iterdir()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"vision", "songs", "users.acl"}
    assert after["songs"] == "my own, with spaces"
    assert sha256(b"my own, with spaces").hexdigest() in after["users.acl"]
    assert (made / "songs").stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("content", ["", "\n", "two\nlines\n"])
def test_a_file_without_a_password_is_named(made: Path, content: str) -> None:
    """The server's file is not touched then, and nothing of the file is shown."""
    before = (made / "users.acl").read_text()
    (made / "jobs").unlink()
    (made / "jobs").write_text(content)
    done = make(made)
    assert done.returncode == 1
    assert f"error: {made / 'jobs'} must hold one line, the password" in done.stderr
    assert "lines" not in done.stderr
    assert (made / "users.acl").read_text() == before
