"""Worker processes that are killed and started again, load on them, and the account of what became of it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from songlens import BrokerError, Client, QueueFull
from songlens_shared.cluster import RedisFault
from songlens_shared.codec import decode_reply
from songlens_shared.functions import library_source
from songlens_shared.keys import LANES, SONGS_GROUP, VISION_GROUP, PartitionKeys
from songlens_shared.messages import Reply


def streams_of(at: PartitionKeys) -> list[tuple[str, str]]:
    """Return each stream of a partition with the group that consumes it."""
    return [*((at.requests(lane), VISION_GROUP) for lane in LANES), (at.hits, SONGS_GROUP)]


AT = PartitionKeys()
STREAMS = streams_of(AT)
PHOTO = b"\xff\xd8\xff" + b"x" * 2000
DISTURBED_EVERY_S = (0.3, 2.0)
PAUSE_S = 1.5
_PAGE = 1000


MECHANISMS = {
    "deleting": {"if redis.call('XDEL', stream, entry) == 1 then": "if false then"},
    "acknowledging": {
        "if redis.call('XACK', stream, group, entry) == 0 then return false end": (
            "redis.call('XACK', stream, group, entry)"
        )
    },
    "answering once": {"if redis.call('STRLEN', result) > 0 then return 0 end": ""},
}
"""Of the functions library: a name, the text that does it, and what stands there without it."""


def without(*mechanisms: str) -> str:
    """Return the functions library with these mechanisms switched off."""
    source = library_source()
    for mechanism in mechanisms:
        for before, after in MECHANISMS[mechanism].items():
            assert before in source
            source = source.replace(before, after)
    return source


class Fleet:
    """Processes of `chaos_worker.py`, each started again as soon as it has died."""

    def __init__(
        self,
        url: str,
        log: Path,
        *,
        vision: int = 2,
        songs: int = 2,
        every_s: tuple[float, float] = DISTURBED_EVERY_S,
        **given: Any,
    ) -> None:
        """Processes are disturbed at times between these two apart; what else is given is every worker's."""
        self._url = url
        self._every_s = every_s
        self._log = log
        self._given = given
        self._places = [("vision", n) for n in range(vision)] + [("songs", n) for n in range(songs)]
        self._processes: dict[tuple[str, int], subprocess.Popen[bytes]] = {}
        self._starts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self.deaths = 0
        self.crashes = 0
        """Of `deaths`, those by an error of the worker's own."""
        self.pauses = 0

    @property
    def disturbed(self) -> int:
        """How often a process was killed, killed itself, or was held up."""
        return self.deaths + self.pauses

    @property
    def taken_over(self) -> int:
        """Entries that workers took over from others, by their own account."""
        return sum(map(int, re.findall(rb"entries_taken_over.*?entries=\D*(\d+)", self._log.read_bytes())))

    @property
    def refused(self) -> int:
        """Outcomes that the server did not take, because the entry had been ended before."""
        return sum(map(int, re.findall(rb"outcomes_refused n=(\d+)", self._log.read_bytes())))

    def counted(self) -> Counter[str]:
        """Return the metrics of the workers that have ended by themselves, added up."""
        sums: Counter[str] = Counter()
        for line in re.findall(rb"^counted (.*)$", self._log.read_bytes(), re.MULTILINE):
            sums.update(json.loads(line))
        return sums

    def figures(self, account: Account, started_s: float) -> dict[str, Any]:
        """Return what a report says of a storm that began then."""
        return {
            "requests": len(account.accepted),
            "kills": self.deaths,
            "pauses": self.pauses,
            "taken_over": self.taken_over,
            "duplicates_refused": self.refused,
            "lost": len(account.lost),
            "answered_twice": len(account.twice),
            "worst_delay_s": account.worst_delay_s,
            "seconds": round(time.monotonic() - started_s, 1),
        }

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        with self._lock:
            return [process.pid for process in self._processes.values() if process.poll() is None]

    def tend(self) -> None:
        """Start every process that does not run."""
        with self._lock:
            if self._done.is_set():
                return
            for place in self._places:
                process = self._processes.get(place)
                if process is None or process.poll() is not None:
                    self.deaths += process is not None
                    self.crashes += process is not None and process.returncode > 0
                    self._processes[place] = self._start(*place)

    def _start(self, stage: str, number: int) -> subprocess.Popen[bytes]:
        self._starts[stage, number] += 1
        consumer = f"{stage}-{number}-{self._starts[stage, number]}"
        given = {"url": self._url, "stage": stage, "consumer": consumer, **self._given}
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("chaos_worker.py")), json.dumps(given)],
                stdout=log,
                stderr=log,
            )

    def kill_one(self, dice: random.Random) -> None:
        """End one process without warning."""
        if pids := self.pids:
            os.kill(dice.choice(pids), signal.SIGKILL)

    def pause_one(self, dice: random.Random) -> None:
        """Hold one process up, as a busy host does, until all that it holds has been taken over."""
        if pids := self.pids:
            pid = dice.choice(pids)
            os.kill(pid, signal.SIGSTOP)
            self.pauses += 1
            threading.Timer(PAUSE_S, _go_on, [pid]).start()

    @contextmanager
    def running(
        self, disturb: Callable[[Fleet, random.Random], None] | None = None, *, seed: int = 1
    ) -> Iterator[None]:
        """Keep all processes running, and disturb them every 0.3 to 2 seconds. Ends every process."""
        keeper = threading.Thread(target=self._keep, args=(disturb, random.Random(seed)), daemon=True)
        self.tend()
        keeper.start()
        try:
            yield
        finally:
            self.stop()
            keeper.join(30)
        assert not self.crashes, f"{self.crashes} workers ended by an error of their own, which {self._log} tells"

    def stop(self, limit_s: float = 20) -> None:
        """Let every process drain and end; none is started again."""
        self._done.set()
        with self._lock:
            for process in self._processes.values():
                process.terminate()
            until_s = time.monotonic() + limit_s
            for process in self._processes.values():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, until_s - time.monotonic()))
                process.kill()
                process.wait()

    def _keep(self, disturb: Callable[[Fleet, random.Random], None] | None, dice: random.Random) -> None:
        next_s = time.monotonic() + dice.uniform(*self._every_s)
        while not self._done.wait(0.05):
            if disturb is not None and time.monotonic() >= next_s:
                disturb(self, dice)
                next_s = time.monotonic() + dice.uniform(*self._every_s)
            self.tend()


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@dataclass
class Account:
    """What became of the requests that the client was told are queued."""

    accepted: set[str] = field(default_factory=set)
    refused: int = 0
    answered: dict[str, Reply] = field(default_factory=dict)
    """By the reply channel; the last of an id."""
    channel: Counter[str] = field(default_factory=Counter)
    """Replies in the channel by id."""
    left: dict[str, int] = field(default_factory=dict)
    """What the queue still holds at the end, as `left_over` tells."""
    submitted_s: dict[str, float] = field(default_factory=dict)
    worst_delay_s: float = 0.0
    """From accepted to seen in the channel."""

    @property
    def lost(self) -> set[str]:
        """Accepted and never answered."""
        return self.accepted - set(self.answered)

    @property
    def twice(self) -> set[str]:
        """Answered more than once."""
        return {id for id, count in self.channel.items() if count > 1}

    @property
    def failed(self) -> dict[str, str]:
        """Answered with an error."""
        return {id: reply.error.code for id, reply in self.answered.items() if reply.error is not None}


def _weightless(id: str) -> bytes:
    return PHOTO


class Load:
    """Submits requests as an app does: again with the same id when the server was away or the lane was full."""

    def __init__(
        self,
        url: str,
        name: str = "app",
        *,
        partitions: int = 1,
        photo: Callable[[str], bytes] = _weightless,
        **options: Any,
    ) -> None:
        """`photo` gives the photo of a request id."""
        self.account = Account()
        self._photo = photo
        self._client = Client(url, name=name, partitions=partitions)
        self._options: Any = {"timeout_s": 600.0} | options
        self._cursors = {PartitionKeys(partition).replies(name): "-" for partition in range(partitions)}

    def submit(self, ids: Sequence[str], *, give_up: Callable[[], bool] = lambda: False) -> None:
        """Queue every id; returns when all are accepted, or when it is told to give up."""
        for id in ids:
            while not give_up():
                try:
                    if self.offer(id):
                        break
                    time.sleep(0.1)
                except BrokerError:
                    time.sleep(0.1)

    def start(self, requests: int) -> threading.Thread:
        """Submit so many requests in a thread of its own."""
        submitting = threading.Thread(target=self.submit, args=([f"r{number}" for number in range(requests)],))
        submitting.start()
        return submitting

    def offer(self, id: str) -> bool:
        """Try to queue an id, once; False where the lane is full."""
        try:
            self._client.submit(self._photo(id), id=id, **self._options)
        except QueueFull:
            self.account.refused += 1
            return False
        self.account.submitted_s[id] = time.monotonic()
        self.account.accepted.add(id)
        return True

    def wait(self, connection: redis.Redis, *, limit_s: float, give_up: Callable[[], bool] = lambda: False) -> Account:
        """Read the channel until every accepted request is answered; returns what is known when time is over."""
        until_s = time.monotonic() + limit_s
        while len(self.account.answered) < len(self.account.accepted) and time.monotonic() < until_s:
            if give_up():
                break
            self.read(connection)
            time.sleep(0.05)
        time.sleep(0.5)  # a second reply to somebody would come about now
        self.read(connection)
        return self.account

    def read(self, connection: redis.Redis) -> None:
        """Read what is new in the channel."""
        for stream in self._cursors:
            while page := _entries(connection, stream, self._cursors[stream]):
                for entry_id, fields in page:
                    self._record(decode_reply(fields[b"m"]))
                    self._cursors[stream] = "(" + entry_id.decode()

    def _record(self, reply: Reply) -> None:
        self.account.answered[reply.id] = reply
        self.account.channel[reply.id] += 1
        waited_s = time.monotonic() - self.account.submitted_s.get(reply.id, time.monotonic())
        self.account.worst_delay_s = max(self.account.worst_delay_s, round(waited_s, 2))

    def close(self) -> None:
        """Close the client."""
        self._client.close()


def _entries(connection: redis.Redis, stream: str, first: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    try:
        entries: Any = connection.xrange(stream, first, "+", count=_PAGE)
    except RedisFault:
        return []  # the server is away for now
    return list(entries)


def stored_replies(connection: redis.Redis, ids: Sequence[str]) -> dict[str, bytes]:
    """Return what is stored under each id."""
    values: Any = connection.mget([AT.result(id) for id in ids])
    return dict(zip(ids, values, strict=True))


def left_over(connection: redis.Redis, partitions: int = 1) -> dict[str, int]:
    """Return what should be nothing once all is answered: entries, pending entries, bytes, dead letters."""
    found: dict[str, int] = {}
    for partition in range(partitions):
        found |= _left_over(connection, PartitionKeys(partition))
    return found


def _left_over(connection: redis.Redis, at: PartitionKeys) -> dict[str, int]:
    found = {f"{at.dead} letters": connection.xlen(at.dead)}
    for stream, group in streams_of(at):
        found[f"{stream} entries"] = connection.xlen(stream)
        found[f"{stream} bytes"] = int(connection.get(at.bytes_of(stream)) or 0)
        try:
            found[f"{stream} pending"] = connection.xpending(stream, group)["pending"]
        except redis.ResponseError:
            continue  # nobody has ever consumed it
    return {what: number for what, number in found.items() if number}
