"""Time that passes at once, for code that takes a `Clock`."""

from __future__ import annotations

import asyncio


class ManualClock:
    """Sleeping moves the clock; `slept_s` lists for how long."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept_s: list[float] = []

    def monotonic_s(self) -> float:
        return self.now_s

    def unix_s(self) -> float:
        return 1_700_000_000.0 + self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)
