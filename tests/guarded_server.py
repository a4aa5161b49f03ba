"""A server with the users of ops/redis/users.acl, each with a password."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from songlens_shared.broker import connect
from songlens_workers.embedded import EmbeddedBroker

USERS = Path(__file__).parents[1] / "ops" / "redis" / "users.acl"
PASSWORD = "a password / with # signs"


def guard(broker: EmbeddedBroker) -> None:
    """Give it the users of the file. The default user stays, for the tests' own use."""
    with connect(broker.url) as connection:
        for line in USERS.read_text("utf-8").splitlines():
            _, name, *rules = line.split()
            if name != "default":
                connection.execute_command("ACL", "SETUSER", name, *rules, f">{PASSWORD}")


def address(broker: EmbeddedBroker, role: str) -> str:
    """Return the address by which one role logs in."""
    return broker.url.replace("redis://", f"redis://songlens-{role}:{quote(PASSWORD, safe='')}@")


def refused(broker: EmbeddedBroker, role: str) -> list[str]:
    """Return what a role was refused so far, by the server's own log; redis-py's CLIENT SETINFO is a courtesy."""
    with connect(broker.url) as connection:
        entries = [one for one in connection.acl_log() if one["username"] == f"songlens-{role}"]
    return [f"{one['reason']} {one['object']}" for one in entries if one["object"] != "client|setinfo"]
