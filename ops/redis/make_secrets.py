"""Make the secrets that compose.yaml mounts: a password for each role, and the users' file that Redis loads.

    python3 ops/redis/make_secrets.py [FOLDER]

FOLDER (`secrets` unless given) gets a file for each user of users.acl, `songlens-vision` in FOLDER/vision and so on,
the password of Grafana's admin in FOLDER/grafana, and FOLDER/users.acl, which holds the SHA-256 of each password and
none of them in clear. A password that is there already is kept: run it again after an upgrade, or after deleting the
file of a password that shall be another. Needs Python alone, none of Songlens.

Compose gives a container its secret by mounting the file as it is, owner and rights included, and each container runs
under a user id of its own. So the files can be read by everybody, in a folder that nobody but its owner can enter; that
keeps the machine's other users out, and a container sees its own file alone.
"""

from __future__ import annotations

import secrets
import sys
from hashlib import sha256
from pathlib import Path

USERS = Path(__file__).with_name("users.acl")
PREFIX = "songlens-"
OTHERS = ("grafana",)
READABLE = 0o444


def password(path: Path) -> str:
    """Return the password in a file, which is written where it is not there; raises `ValueError` where it has none."""
    if not path.exists():
        write(path, secrets.token_urlsafe(32) + "\n")
    found = path.read_text("utf-8").removesuffix("\n")
    if not found or not found.isprintable():
        raise ValueError(f"{path} must hold one line, the password; delete it to have another made")
    path.chmod(READABLE)
    return found


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable for whoever may enter its folder."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8")
    partial.chmod(READABLE)
    partial.replace(path)


def users_with_passwords(folder: Path) -> str:
    """Return users.acl with the SHA-256 of each password."""
    lines = []
    for line in USERS.read_text("utf-8").splitlines():
        name = line.split()[1]
        if name.startswith(PREFIX):
            digest = sha256(password(folder / name.removeprefix(PREFIX)).encode()).hexdigest()
            line = f"{line} #{digest}"  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    """Make what is missing; users.acl always."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in OTHERS:
        password(folder / name)
    write(folder / "users.acl", users_with_passwords(folder))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "secrets"))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}.")
