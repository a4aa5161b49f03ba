"""Lanes whose work is done as late, and in as odd an order, as a device may do it: a device to test on without one."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from songlens_workers.vision.forward.lanes import Lanes, Mark


@dataclass
class ScheduledMark:
    """A place in a lane of a scheduler."""

    scheduler: Scheduler
    passed: bool = False

    def wait(self) -> None:
        """Let the scheduler do work until this place has been passed, and not a step more."""
        while not self.passed:
            self.scheduler.step()


@dataclass
class Scheduler:
    """Does one thing at a time, of any lane whose next thing may be done, as its dice have it."""

    seed: int
    heeds_waits: bool = True
    """Off, lanes do not wait for each other: what a program that forgets to order them would get."""

    done: list[str] = field(default_factory=list)
    """The names of the lanes whose work was done, in that order."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._lanes: list[ScheduledLane] = []

    def lanes(self) -> Lanes:
        """Return three lanes."""
        self._lanes = [ScheduledLane(name, self) for name in ("inward", "compute", "outward")]
        inward, compute, outward = self._lanes
        return Lanes(inward=inward, compute=compute, outward=outward)

    def step(self) -> None:
        """Do the next thing of some lane."""
        self._dice.choice([lane for lane in self._lanes if lane.may_go_on()]).go_on()


class ScheduledLane:
    """A lane that does nothing by itself."""

    def __init__(self, name: str, scheduler: Scheduler) -> None:
        self._name = name
        self._scheduler = scheduler
        self._queue: deque[tuple[str, Callable[[], None], ScheduledMark | None]] = deque()

    def run(self, work: Callable[[], None]) -> None:
        """Queue work."""
        self._queue.append(("work", work, None))

    def mark(self) -> Mark:
        """Return the place after what has been queued so far."""
        mark = ScheduledMark(self._scheduler)
        self._queue.append(("mark", lambda: setattr(mark, "passed", True), None))
        return mark

    def wait_for(self, mark: Mark) -> None:
        """Hold back what is queued from now on."""
        assert isinstance(mark, ScheduledMark)
        self._queue.append(("wait", lambda: None, mark))

    def may_go_on(self) -> bool:
        """Say whether there is something to do, and nothing to wait for."""
        if not self._queue:
            return False
        awaited = self._queue[0][2]
        return awaited is None or awaited.passed or not self._scheduler.heeds_waits

    def go_on(self) -> None:
        """Do the next thing."""
        kind, work, _ = self._queue.popleft()
        work()
        if kind == "work":
            self._scheduler.done.append(self._name)
