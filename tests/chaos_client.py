"""An app that may die at any moment and goes on where it was: what it has sent and what it has seen is in two files.

    python chaos_client.py '{"url": ..., "name": ..., "folder": ..., "requests": ..., "from_now": false}'

It ends by itself when it has seen a reply to all that it has sent. With `from_now` it reads the channel from the moment
of its start, as `$` would.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from songlens import Client, SonglensError
from songlens_shared.broker import connect

PHOTO = b"\xff\xd8\xff" + b"x" * 2000
QUIET_S = 3.0


class Notes:
    """A file of lines, each of which is written at once or not at all."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR)
        self.lines = [line for line in path.read_text().split("\n") if line]

    def add(self, line: str) -> None:
        """Write a line."""
        os.write(self._file, line.encode() + b"\n")


def send(client: Client, sent: Notes, requests: int) -> None:
    """Queue what is not noted as sent; what was queued and not noted is queued again under the same id."""
    for number in range(len(sent.lines), requests):
        while True:
            try:
                client.submit(PHOTO, id=f"r{number}", timeout_s=600)
                break
            except SonglensError:
                time.sleep(0.1)
        sent.add(f"r{number}")
        time.sleep(0.002)


def receive(client: Client, seen: Notes, requests: int, start: str) -> None:
    """Note cursor and id of each reply, until every request has one or the channel is quiet."""
    cursor = seen.lines[-1].split(" ")[0] if seen.lines else "0"
    known = {line.split(" ")[1] for line in seen.lines}
    for received in client.replies(start or cursor, quiet_s=QUIET_S):
        seen.add(f"{received.cursor} {received.id} {received.reply.model}")
        known.add(received.id)
        if len(known) == requests:
            return


def main(given: dict[str, Any]) -> None:
    """Send and receive side by side."""
    folder, requests = Path(given["folder"]), given["requests"]
    with connect(given["url"]) as connection:
        seconds, micros = connection.time()
    start = f"{seconds * 1000 + micros // 1000}-0" if given["from_now"] else ""
    with Client(given["url"], name=given["name"]) as client:
        sending = threading.Thread(target=send, args=(client, Notes(folder / "sent"), requests), daemon=True)
        sending.start()
        receive(client, Notes(folder / "seen"), requests, start)
        sending.join()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
