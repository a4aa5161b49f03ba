"""An app that dies in the middle and comes back under its name misses no reply."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from chaos_fleet import AT, Fleet, left_over, stored_replies

from songlens_shared.codec import decode_reply
from songlens_workers.embedded import EmbeddedBroker

NAME = "app"


class MortalClient:
    """A process of `chaos_client.py`, which is killed and started again."""

    def __init__(self, url: str, folder: Path, *, requests: int, from_now: bool) -> None:
        self._given = {"url": url, "name": NAME, "folder": str(folder), "requests": requests, "from_now": from_now}
        self._requests = requests
        self._sent, self._seen = folder / "sent", folder / "seen"
        self.kills = 0

    def live(self, kills: int, *, limit_s: float) -> None:
        """Be killed so many times on its way, dead for a while each time, and then live on to the end."""
        dice = Random(1)
        for number in range(1, kills + 1):
            self._life(number * self._requests // (kills + 1), limit_s)
            time.sleep(dice.uniform(0.1, 0.5))  # replies come meanwhile
        self._life(None, limit_s)

    def _life(self, sent: int | None, limit_s: float) -> None:
        """Start it, and kill it when it has sent so many."""
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parents[1] / "chaos_client.py"), json.dumps(self._given)]
        )
        try:
            if sent is None:
                assert process.wait(limit_s) == 0
                return
            until_s = time.monotonic() + limit_s
            while not self._sent.exists() or len(self._sent.read_text().splitlines()) < sent:
                assert process.poll() is None
                assert time.monotonic() < until_s
                time.sleep(0.01)
            self.kills += 1
        finally:
            process.kill()
            process.wait()

    def seen(self) -> list[tuple[str, str]]:
        """Return id and model of each reply that the app has seen."""
        return [(line.split(" ")[1], line.split(" ")[2]) for line in self._seen.read_text().splitlines()]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("from_now", [False, True], ids=["from a saved cursor", "from now on"])
def test_a_client_that_dies(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any, from_now: bool
) -> None:
    """Every request has one reply, the app has seen it, and whatever it saw twice was the same. An app that reads from
    the moment of its start, as `$` would, misses what came while it was dead."""
    requests, kills = (3000, 10) if long and not from_now else (600, 3)
    fleet, started_s = Fleet(broker.url, tmp_path / "workers.log", vision=1, songs=1, item_s=0.003), time.monotonic()
    client = MortalClient(broker.url, tmp_path, requests=requests, from_now=from_now)
    with fleet.running():
        client.live(kills, limit_s=120)
        left = left_over(connection)
    seen = client.seen()
    channel: Any = connection.xrange(AT.replies(NAME))
    answered = Counter(fields[b"id"].decode() for _, fields in channel)
    missed = set(answered) - {id for id, _ in seen}
    report(
        requests=len(answered),
        kills=client.kills,
        lost=requests - len(answered),
        answered_twice=sum(count > 1 for count in answered.values()),
        seen_again=len(seen) - len(set(seen)),
        missed=len(missed),
        seconds=round(time.monotonic() - started_s, 1),
    )
    assert (len(answered), set(answered.values()), left) == (requests, {1}, {})
    if from_now:
        assert missed
        return
    assert missed == set()
    stored = stored_replies(connection, list(answered))
    assert set(seen) == {(id, decode_reply(reply).model) for id, reply in stored.items()}
