"""Each alert is made to fire, and to clear, by its own fault in a running system that a real Prometheus watches.

The rules are those of ops/prometheus with shorter durations; a few thresholds are brought within reach.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import WAVES, Fault, present
from ops_tools import tool
from prometheus_server import OPS
from shortened_rules import Scale, shortened
from watched_system import AGES, DURATIONS, WatchedSystem, until, watched_system

pytestmark = pytest.mark.timeout(400)

FIRES_WITHIN_S, CLEARS_WITHIN_S = 90.0, 120.0
RULES = [OPS / "recording.yml", OPS / "alerts.yml"]


def test_every_alert_has_its_fault() -> None:
    """None can be added without one."""
    alerts = set(re.findall(r"- alert: (\w+)", (OPS / "alerts.yml").read_text()))
    assert set().union(*(fault.alerts for faults in WAVES.values() for fault in faults)) == alerts


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_the_rules_are_those_that_are_shipped(path: Path) -> None:
    """On the scale of 1 they are, to the letter; on another, no other text is changed than durations and ages."""
    shipped = path.read_text()
    assert shortened(shipped, Scale()) == shipped
    changed = [
        (before, after)
        for before, after in zip(
            shipped.split(), shortened(shipped, Scale(DURATIONS, AGES, free_disk_bytes=1e12)).split(), strict=True
        )
        if before != after
    ]
    assert changed
    durations = re.findall(r"\[\d+\w\]|for: \d+\w", shipped)
    assert len(changed) == len(durations) + (3 if path.name == "alerts.yml" else 0)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[WatchedSystem]:
    """One system for all faults."""
    tool("prometheus")
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("this system cannot fill a disk without writing it")
    with watched_system(tmp_path_factory.mktemp("faults"), redis_server) as running:
        yield running


def quiet(system: WatchedSystem, limit_s: float) -> None:
    """Return when requests are answered and no alert fires."""
    assert system.server.until("songlens:answered:rate1m > 0", limit_s)
    until(lambda: not system.server.firing(), limit_s)
    assert system.server.firing() == set()


@pytest.mark.parametrize("faults", WAVES.values(), ids=WAVES.keys())
def test_it_fires_and_clears(system: WatchedSystem, faults: tuple[Fault, ...]) -> None:
    """With the fault its alert fires; when that is mended the alert clears, and none fires any more."""
    quiet(system, 30)
    expected = set().union(*(fault.alerts for fault in faults))
    seen: dict[str, float] = {}
    started_s = time.monotonic()

    def all_fired() -> bool:
        for name in system.server.firing() - seen.keys():
            seen[name] = round(time.monotonic() - started_s, 1)
        return expected <= seen.keys()

    with present(faults, system):
        until(all_fired, FIRES_WITHIN_S)
    mended_s = time.monotonic()
    assert expected <= seen.keys(), f"in vain: {expected - seen.keys()}; {seen}"
    quiet(system, CLEARS_WITHIN_S)
    print(f"\nfired after {seen}, all clear {time.monotonic() - mended_s:.1f} s after the end")
