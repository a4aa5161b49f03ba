"""When a request is made again: exponential back-off with jitter, and what Retry-After asks for."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

from songlens_shared.errors import ConfigError


class Clock(Protocol):
    """Time, passed in so that tests need not wait."""

    def monotonic_s(self) -> float:
        """Return seconds that only grow."""
        ...

    def unix_s(self) -> float:
        """Return seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class SystemClock:
    """The real time."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def unix_s(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently. Raises `ConfigError` for values out of range.

    Before attempt n + 1 it waits `first_delay_s` * 2^(n - 1), at most `max_delay_s`, times a random factor from 1/2
    to 1, so that many clients do not come back at the same moment. A server that asks for more than `max_wait_s`
    is left alone for this run.
    """

    attempts: int = 4
    first_delay_s: float = 1.0
    max_delay_s: float = 60.0
    max_wait_s: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_delay_s, self.max_delay_s, self.max_wait_s) < 0:
            raise ConfigError("Attempts must be 1 or more, and delays 0 or more.")

    def delay_s(self, failures: int, uniform: float) -> float:
        """Return the wait after so many failures, with `uniform` drawn from [0, 1)."""
        return min(self.max_delay_s, self.first_delay_s * 2.0 ** min(failures - 1, 64)) * (0.5 + uniform / 2)


def retry_after_s(value: str | None, unix_s: float) -> float | None:
    """Return the seconds that a Retry-After header asks for; None where it asks for nothing that can be read.

    RFC 9110, 10.2.3: a number of seconds, or a date.
    """
    if value is None:
        return None
    if value.isascii() and value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - unix_s)
    except (ValueError, OverflowError):
        return None
