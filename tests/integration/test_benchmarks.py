"""The benchmarks of serving run, look at every answer that they count, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from songlens_benchmarks import batch, latency, peer_rq, start, system
from songlens_benchmarks.catalogue import benchmark
from songlens_benchmarks.cpu_times import KNOWN, cpu_seconds
from songlens_benchmarks.device import NO_DEVICE, Device
from songlens_benchmarks.load import Call, Served, all_of, closed_loop, open_loop
from songlens_benchmarks.metrics_switch import turn
from songlens_benchmarks.payloads import payloads
from songlens_benchmarks.percentiles import percentile
from songlens_benchmarks.programs import Program, ProgramFailed, running
from songlens_benchmarks.row import Effort
from songlens_benchmarks.simulated import asking, simulated
from songlens_benchmarks.workers import Counted

TINY = Effort(rounds=1, quick=True)
LOADS: dict[str, Callable[[Call], Awaitable[Served]]] = {
    "closed": lambda call: closed_loop(call, in_flight=4, seconds=0.1),
    "open": lambda call: open_loop(call, per_s=100, seconds=0.1),
    "all": lambda call: all_of(call, requests=10, in_flight=4),
}
needs_proc = pytest.mark.skipif(not KNOWN, reason="processor times and children are read from /proc")


@pytest.mark.parametrize(
    "name", ["batch_plan", "codec", "decode", "footprint", "functions", "overhead", "scaling", "watching"]
)
def test_a_benchmark_yields_figures(name: str) -> None:
    """Each row has a name of its own, a figure and a unit, and something is compared."""
    rows = list(benchmark(name).run(TINY))
    assert len({row.what for row in rows}) == len(rows) > 0
    assert all(row.value >= 0 and row.unit for row in rows)
    assert any(row.limit or row.baseline for row in rows)


@pytest.mark.parametrize("name", ["batch", "latency", "start", "system"])
def test_a_benchmark_of_real_workers_yields_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the tests' tiny backbone: photos go through the real stages, and none comes from the content cache."""
    for module in (start, system):
        monkeypatch.setattr(module, "BACKBONES", ("tiny",))
    monkeypatch.setattr(latency, "BACKBONE", "tiny")
    monkeypatch.setattr(batch, "PHOTOS", {"tiny": 48})
    rows = list(benchmark(name).run(TINY))
    assert len({row.what for row in rows}) == len(rows) > 0
    assert rows[0].value > 0
    assert any(row.target for row in rows)


def test_what_is_counted_was_served() -> None:
    """The workers have had as many photos in their batches as the client counts requests."""
    with simulated(Device(batch_ms=1.0, image_ms=0.1), vision=2, partitions=2, persistent=False) as queue:
        served = asyncio.run(_served(queue.client(), payloads(3, 1000)))
        assert Counted.of(queue.vision).images == Counted.of(queue.songs).images == served.requests > 0
        assert len(served.latencies_ms) <= served.requests


async def _served(client: Any, photos: list[bytes]) -> Served:
    async with client:
        return await closed_loop(asking(client, photos), in_flight=8, seconds=0.5)


def test_metrics_that_are_turned_off_count_nothing() -> None:
    """While photos are served as before; turned on again they count on."""

    def counted() -> tuple[float, float]:
        return Counted.of(queue.vision).images, Counted.of(queue.songs).images

    def served() -> int:
        return asyncio.run(_served(queue.client(), payloads(3, 1000))).requests

    with simulated(NO_DEVICE, persistent=False, metrics="switched") as queue:
        first = served()
        queue.songs[0].until(lambda: counted() == (first, first))  # a batch is counted after its replies are sent
        turn([*queue.vision, *queue.songs])
        assert served() > 0
        assert counted() == (first, first)
        turn([*queue.vision, *queue.songs])
        again = first + served()
        assert again > first
        queue.songs[0].until(lambda: counted() == (again, again))


def test_an_answer_to_another_photo_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load whose answers are mixed up fails, instead of being counted."""
    photos = payloads(2, 1000)
    with simulated(NO_DEVICE, persistent=False) as queue:
        monkeypatch.setattr("songlens_benchmarks.simulated.mark", lambda photo: "another")
        with pytest.raises(ExceptionGroup) as raised:
            asyncio.run(_served(queue.client(), photos))
    assert raised.group_contains(ProgramFailed, match="not that of its photo")


@pytest.mark.parametrize("name", sorted(LOADS))
def test_a_load_that_loses_an_answer_fails(name: str) -> None:
    """Whatever a call raises is raised by the load."""

    async def call(number: int) -> None:
        await asyncio.sleep(0)
        if number == 3:
            raise TimeoutError

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(LOADS[name](call))
    assert raised.group_contains(TimeoutError)


@pytest.mark.parametrize("name", sorted(LOADS))
def test_a_load_counts_its_requests(name: str) -> None:
    """Each number is asked for once, and no more at a time than were wanted."""
    asked: list[int] = []
    at_once, most = 0, 0

    async def call(number: int) -> None:
        nonlocal at_once, most
        asked.append(number)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1

    served = asyncio.run(LOADS[name](call))
    assert asked == list(range(served.requests))
    assert len(served.latencies_ms) <= served.requests
    if name != "open":
        assert most == 4
    if name == "all":
        assert served.requests == len(served.latencies_ms) == 10


def test_percentiles_are_values_that_were_seen() -> None:
    """The least value that so many do not exceed."""
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, share) for share in (0.0, 0.2, 0.21, 0.5, 0.99, 1.0)] == [1, 1, 2, 3, 5, 5]


@needs_proc
def test_processor_time_is_of_a_process_and_its_children(tmp_path: Path) -> None:
    """And of this process alone, though it has started the others."""
    burn = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass\n"
    parent = (
        f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint('done', flush=True)"
    )
    program = Program("burner", ["-c", parent + "\ntime.sleep(60)"], log=tmp_path / "log")
    with running(program):
        program.until(lambda: "done" in program.output())
        before = time.process_time()
        found = cpu_seconds({"burner": [program.pid], "this": [os.getpid()]})
        assert found["burner"] >= 0.3
        assert before <= found["this"] <= time.process_time()


def test_a_program_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    """And the others that were started with it are ended."""
    lasting = Program("lasting", ["-c", "import time; time.sleep(60)"], log=tmp_path / "lasting")
    broken = Program("broken", ["-c", "raise SystemExit('no room')"], log=tmp_path / "broken")
    with pytest.raises(ProgramFailed, match="no room"), running(lasting, broken):
        broken.until(lambda: False)
    with pytest.raises(ProgramFailed):
        lasting.check()


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_benchmark_that_is_stopped_ends_what_it_started(number: signal.Signals) -> None:
    """By a signal, while its server and its workers run."""
    command = [sys.executable, "-m", "songlens_benchmarks.one", "latency", "--rounds", "1000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            started = _children_of(process.pid, least=3)
            process.send_signal(number)
            assert process.wait(60) == 128 + number
        finally:
            process.kill()
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def _children_of(pid: int, *, least: int) -> list[int]:
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        if len(found) >= least:
            return found
        time.sleep(0.05)
    raise AssertionError("the benchmark did not start its processes")


@pytest.mark.skipif(not peer_rq.INSTALLED, reason="RQ is not installed")
def test_a_peer_that_answers_wrongly_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are looked at as ours are."""
    with peer_rq.rq_worker() as jobs:
        assert jobs.served(payloads(2, 1000), NO_DEVICE, in_flight=2, seconds=0.1).requests >= 2
        monkeypatch.setattr(peer_rq, "mark", lambda photo: "another")
        with pytest.raises(ProgramFailed, match="mark"):
            jobs.served(payloads(2, 1000), NO_DEVICE, in_flight=2, seconds=0.1)
