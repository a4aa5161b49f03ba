"""When the micro-batcher releases what, on a clock that only the test moves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_workers.runtime.batcher import Batch, BatchPolicy, MicroBatcher, Release


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


NEVER_S = 1e9
POLICY = BatchPolicy(max_items=4, max_bytes=100, max_delay_s=0.5, deadline_margin_s=0.25)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def batcher(clock: Clock) -> MicroBatcher[str]:
    return MicroBatcher(POLICY, clock)


def add(batcher: MicroBatcher[str], items: str, size_bytes: int = 1, deadline_s: float = NEVER_S) -> None:
    for item in items:
        batcher.add(item, size_bytes, deadline_s)


def test_nothing_waits_nothing_is_released(batcher: MicroBatcher[str]) -> None:
    """An empty batcher has no release due, even while draining."""
    assert batcher.due_in_s() is None
    assert batcher.release() is None
    assert batcher.release(draining=True) is None


def test_a_full_batch_goes_at_once(batcher: MicroBatcher[str]) -> None:
    """As many items as fit are released without any wait, and those beyond stay in order."""
    add(batcher, "abcde")
    assert batcher.due_in_s() == 0
    assert batcher.release() == Batch(list("abcd"), Release.FULL)
    assert len(batcher) == 1
    assert batcher.release() is None
    assert batcher.release(draining=True) == Batch(["e"], Release.DRAIN)


def test_the_timer_counts_from_the_first_item(batcher: MicroBatcher[str], clock: Clock) -> None:
    """The first item waits max_delay at most, however late others arrive."""
    add(batcher, "a")
    clock.now_s += 0.4
    add(batcher, "b")
    assert batcher.due_in_s() == pytest.approx(0.1)
    assert batcher.release() is None
    clock.now_s += 0.1
    assert batcher.due_in_s() == 0
    assert batcher.release() == Batch(["a", "b"], Release.TIMER)


def test_what_was_waited_before_counts(batcher: MicroBatcher[str], clock: Clock) -> None:
    """An item that was ready while the last batch ran does not wait for its max_delay anew."""
    batcher.add("a", 1, clock.now_s + 60, clock.now_s - 0.4)
    assert batcher.due_in_s() == pytest.approx(0.1)
    batcher.add("b", 1, clock.now_s + 60)
    clock.now_s += 0.1
    assert batcher.release() == Batch(["a", "b"], Release.TIMER)


def test_a_near_deadline_releases_early(batcher: MicroBatcher[str], clock: Clock) -> None:
    """A batch goes when the nearest of all deadlines is within the margin, wherever that item stands in it."""
    add(batcher, "a")
    add(batcher, "b", deadline_s=clock.now_s + 0.35)
    add(batcher, "c")
    assert batcher.due_in_s() == pytest.approx(0.1)
    assert batcher.release() is None
    clock.now_s += 0.11
    assert batcher.release() == Batch(["a", "b", "c"], Release.DEADLINE)


def test_a_deadline_in_the_past_is_due_now(batcher: MicroBatcher[str], clock: Clock) -> None:
    """An item that came too late is not kept waiting any longer; the time it is due in is 0, not negative."""
    add(batcher, "a", deadline_s=clock.now_s - 60)
    assert batcher.due_in_s() == 0
    assert batcher.release() == Batch(["a"], Release.DEADLINE)


def test_bytes_fill_a_batch(batcher: MicroBatcher[str]) -> None:
    """Items are released before the one that would take the batch over the byte limit."""
    add(batcher, "abc", size_bytes=40)
    assert batcher.release() == Batch(["a", "b"], Release.FULL)
    assert batcher.release() is None


def test_an_item_over_the_byte_limit_goes_alone(batcher: MicroBatcher[str]) -> None:
    """What is larger than a whole batch is not stuck for ever: it makes a batch of its own, in its turn."""
    add(batcher, "a")
    add(batcher, "B", size_bytes=1000)
    add(batcher, "c")
    batches = [batcher.release(draining=True) for _ in range(3)]
    assert [batch.items for batch in batches if batch] == [["a"], ["B"], ["c"]]


def test_full_is_said_even_while_draining(batcher: MicroBatcher[str]) -> None:
    """The reason tells operators about load: a batch that was full anyway is not counted as drained."""
    add(batcher, "abcdef")
    assert [batch.reason for _ in range(2) if (batch := batcher.release(draining=True))] == ["full", "drain"]


def test_without_delay_what_waits_goes_at_once() -> None:
    """With max_delay 0 nothing is ever put off."""
    batcher: MicroBatcher[str] = MicroBatcher(BatchPolicy(max_items=4, max_bytes=100, max_delay_s=0), Clock())
    add(batcher, "a")
    assert batcher.due_in_s() == 0
    assert batcher.release() == Batch(["a"], Release.TIMER)


@dataclass(frozen=True)
class Arrival:
    """An item comes in."""

    size_bytes: int
    time_left_s: float


Step = Arrival | float | bool
"""An arrival, seconds that pass, or a look at the batcher, draining or not."""

STEPS = st.lists(
    st.builds(Arrival, st.integers(0, 160), st.floats(-1, 3)) | st.floats(0, 1) | st.booleans(),
    max_size=60,
)
POLICIES = st.builds(
    BatchPolicy,
    max_items=st.integers(1, 8),
    max_bytes=st.integers(1, 150),
    max_delay_s=st.floats(0, 1),
    deadline_margin_s=st.floats(0, 0.5),
)


@given(STEPS, POLICIES)
def test_every_item_leaves_once_in_order_within_the_limits(steps: list[Step], policy: BatchPolicy) -> None:
    """Whatever arrives when: nothing is lost, doubled, reordered or put into a batch over the limits."""
    clock = Clock()
    batcher: MicroBatcher[tuple[int, int]] = MicroBatcher(policy, clock)
    arrived: list[tuple[int, int]] = []
    left: list[tuple[int, int]] = []

    def look(draining: bool) -> bool:
        due_in_s, waiting = batcher.due_in_s(), len(batcher)
        batch = batcher.release(draining=draining)
        assert due_in_s is None if not waiting else (due_in_s is not None and due_in_s >= 0)
        # It is released exactly when it was due, or because the worker drains.
        assert (batch is not None) == (due_in_s == 0 or (draining and waiting > 0))
        if batch is None:
            return False
        assert 1 <= len(batch.items) <= policy.max_items
        assert len(batch.items) == 1 or sum(size for _, size in batch.items) <= policy.max_bytes
        assert draining or batch.reason is not Release.DRAIN
        left.extend(batch.items)
        return True

    for step in steps:
        match step:
            case Arrival(size_bytes, time_left_s):
                arrived.append((len(arrived), size_bytes))
                batcher.add(arrived[-1], size_bytes, clock.now_s + time_left_s)
            case bool():
                look(step)
            case float():
                clock.now_s += step
        assert len(batcher) == len(arrived) - len(left)
    while look(draining=True):
        pass
    assert left == arrived


@given(st.floats(0, 3), st.floats(0, 1), st.floats(0.01, 1))
def test_waiting_for_due_is_enough(time_left_s: float, max_delay_s: float, margin_s: float) -> None:
    """Whoever waits as long as due_in_s says, to within the clock's resolution, gets the batch."""
    clock = Clock()
    batcher: MicroBatcher[str] = MicroBatcher(BatchPolicy(10, 1000, max_delay_s, margin_s), clock)
    batcher.add("a", 1, clock.now_s + time_left_s)
    due_in_s = batcher.due_in_s()
    assert due_in_s is not None
    clock.now_s += due_in_s + 1e-9
    batch = batcher.release()
    assert batch is not None
    by_deadline = time_left_s - margin_s
    assert batch.reason in (
        {Release.DEADLINE} if by_deadline < max_delay_s - 1e-6 else {Release.TIMER, Release.DEADLINE}
    )
