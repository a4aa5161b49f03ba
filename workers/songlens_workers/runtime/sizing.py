"""How many items a batch shall hold, and how long it may wait for them: what the targets make of the batch time.

Pure: batches that have run go in, decisions come out. They are made once after each batch: asking costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from songlens_shared.keys import INTERACTIVE, LANES
from songlens_workers.runtime.batch_time import BatchTime

_FIRST_SIZE = 4
"""Of the first batch, when nothing is known."""

_KEPT_RATE = 0.5
"""Of the throughput that the largest batch has: what is kept where a target cannot be met anyhow."""

_LATE_SHARE = 0.25
"""Of what its first interactive item has waited: how long a batch may run, where that is longer than the target."""

_AHEAD_S = 0.25
"""Work that is claimed ahead for a fast device: more than claiming and preparing take."""


@dataclass(frozen=True)
class BatchPolicy:
    """Limits of a batch."""

    max_items: int
    max_bytes: int
    max_delay_s: float
    target_s: Mapping[str, float] = field(default_factory=dict)
    """By lane: how long a batch may run. Of a lane that is left out, batches are bound by the other limits alone."""

    bulk_share: float = 0.1
    """Share of places that bulk gets while interactive items wait; more than 0."""

    deadline_margin_s: float = 0.25
    """A batch is released early when an item's deadline is nearer than this."""


class Sizing:
    """Decides for each lane."""

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._largest = 0
        self._waited_s = 0.0
        self.time = BatchTime(policy.max_items)
        self._decide()

    def observe(self, items: int, seconds: float, *, waited_s: float = 0.0) -> None:
        """Learn from a batch that has run, and how long its first interactive item had waited for it; 0 without one."""
        self.time.observe(items, seconds)
        self._largest = max(self._largest, items)
        self._waited_s = waited_s
        self._decide()

    def size(self, lane: str) -> int:
        """Return how many items a batch of this lane shall hold: at least 1, at most `max_items`."""
        return self._sizes[lane]

    def delay_s(self, lane: str) -> float:
        """Return how long the first item of a batch may wait for others."""
        return self._delays_s[lane]

    @property
    def ahead(self) -> int | None:
        """How many items keep the device busy: two batches, or a quarter of a second's work; None where a lane has no
        target."""
        return self._ahead

    def _decide(self) -> None:
        targets = self._targets_s()
        self._sizes = {lane: self._size(targets.get(lane)) for lane in LANES}
        self._delays_s = {lane: self._delay_s(targets.get(lane)) for lane in LANES}
        self._ahead = self._enough() if len(targets) == len(LANES) else None

    def _targets_s(self) -> dict[str, float]:
        """Return the targets; that of interactive grows with a queue that makes everybody wait for longer anyhow.

        There photos gain nothing from small batches, and lose what a larger one would do more. Bulk's target does not
        grow: it is what interactive photos may have to wait for.
        """
        targets = dict(self._policy.target_s)
        if INTERACTIVE in targets:
            targets[INTERACTIVE] = max(targets[INTERACTIVE], _LATE_SHARE * self._waited_s)
        return targets

    def _size(self, target_s: float | None) -> int:
        if target_s is None:
            return self._policy.max_items
        if not self.time.known:
            return min(_FIRST_SIZE, self._policy.max_items)
        # What a batch takes is known of sizes that have run. None is trusted to more than twice as many, and until a
        # second size has run, two are tried: one size alone does not tell whether more would take any longer.
        most = min(max(2, 2 * self._largest), self._policy.max_items)
        return most if self._largest < 2 else min(self._meeting(target_s), most)

    def _meeting(self, target_s: float) -> int:
        """Return the largest size that meets the target.

        Where not even one item does, small batches would cost throughput and win nothing: then the smallest that keeps
        half of it. Where items and not batches take the time, that is one item.
        """
        time, largest = self.time, self._policy.max_items
        if time.seconds(largest) <= target_s:
            return largest
        if time.seconds(1) > target_s:
            rate = _KEPT_RATE * largest / time.seconds(largest)
            return max(1, math.ceil(time.fixed_s * rate / (1 - time.item_s * rate)))
        return max(1, int((target_s - time.fixed_s) / time.item_s))

    def _delay_s(self, target_s: float | None) -> float:
        """To wait for an item saves it the fixed part of a batch of its own, and is worth no more than that."""
        if target_s is None or not self.time.known:
            return self._policy.max_delay_s
        return min(self._policy.max_delay_s, self.time.fixed_s)

    def _enough(self) -> int:
        size = max(self._sizes.values())
        if not self.time.known:
            return 2 * size
        return max(2 * size, math.ceil(_AHEAD_S * size / self.time.seconds(size)))
