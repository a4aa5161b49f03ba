"""Prints the Secrets that ops/k8s needs, out of the folder that ops/redis/make_secrets.py has written, for kubectl.

    python3 ops/k8s/secrets.py FOLDER QUEUE [JOBS] | kubectl apply --namespace songlens --filename -

QUEUE, JOBS: HOST:PORT of the queue's Redis and of the jobs' (the same unless given), as KEDA sees them from its own
namespace. Needs Python alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROLES = ("vision", "songs", "jobs", "metrics")


def manifest(folder: Path, queue: str, jobs: str) -> dict[str, object]:
    """Return a List of Secrets: a password for each role, the users' file of the server, and what KEDA logs in with."""
    scaler = {"username": "songlens-scaler", "password": _line(folder / "scaler"), "address": queue}
    secrets = {
        "redis-users": {"users.acl": (folder / "users.acl").read_text("utf-8")},
        **{f"songlens-{role}": {"password": _line(folder / role)} for role in ROLES},
        "songlens-scaler": {**scaler, "jobs-address": jobs},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [_secret(name, data) for name, data in secrets.items()]}


def _line(path: Path) -> str:
    """Return a password without the end of its line, which KEDA would take for a part of it."""
    return path.read_text("utf-8").rstrip("\r\n")


def _secret(name: str, data: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "songlens"}},
        "type": "Opaque",
        "stringData": data,
    }


if __name__ == "__main__":
    try:
        given, queue_address, *others = sys.argv[1:]
        print(json.dumps(manifest(Path(given), queue_address, (others or [queue_address])[0]), indent=2))  # noqa: T201
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}. Usage: secrets.py FOLDER QUEUE_HOST:PORT [JOBS_HOST:PORT]")
