"""The rules of ops/prometheus on another scale: the same expressions, so that a fault need not last for minutes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_DURATION = re.compile(r"(?P<before>\[|for: |offset )(?P<count>\d+)(?P<unit>ms|s|m|h)\b")
_AGE = re.compile(r"(?P<before>seconds(?::p\d+_5m)?(?:\{[^}]*\})? > )(?P<count>\d+)$", re.MULTILINE)
_FREE_DISK = re.compile(r"(?P<before>songlens_disk_free_bytes\) < )(?P<count>\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Scale:
    """How much smaller everything is."""

    durations: int = 1
    """Windows and `for:` are divided by this."""

    ages: int = 1
    """Thresholds in seconds, of latencies and of what waits, are divided by this."""

    free_disk_bytes: float | None = None
    """Below which the disk counts as full; None leaves what is written there."""


def shortened(rules: str, scale: Scale) -> str:
    """Return the text of a rule file on this scale."""
    text = _DURATION.sub(lambda found: found["before"] + _shorter(found, scale.durations), rules)
    text = _AGE.sub(lambda found: f"{found['before']}{int(found['count']) / scale.ages:g}", text)
    if scale.free_disk_bytes is None:
        return text
    return _FREE_DISK.sub(lambda found: f"{found['before']}{scale.free_disk_bytes:.0f}", text)


def _shorter(found: re.Match[str], by: int) -> str:
    ms, rest = divmod(int(found["count"]) * _MS[found["unit"]], by)
    assert rest == 0, f"{found[0]} is no multiple of {by} ms"
    unit = next(unit for unit in ("h", "m", "s", "ms") if ms % _MS[unit] == 0)
    return f"{ms // _MS[unit]}{unit}"
