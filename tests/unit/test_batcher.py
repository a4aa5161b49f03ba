"""When the micro-batcher releases what, on a clock that only the test moves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.keys import BULK, INTERACTIVE, LANES
from songlens_workers.runtime.batcher import MicroBatcher, Release
from songlens_workers.runtime.sizing import BatchPolicy, Sizing


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
    return batcher_of(POLICY, clock)


def batcher_of(policy: BatchPolicy, clock: Clock) -> MicroBatcher[str]:
    return MicroBatcher(policy, Sizing(policy), clock)


def add(
    batcher: MicroBatcher[str], items: str, size_bytes: int = 1, deadline_s: float = NEVER_S, lane: str = INTERACTIVE
) -> None:
    for item in items:
        batcher.add(item, size_bytes, deadline_s, lane)


def released(batcher: MicroBatcher[str], *, draining: bool = False) -> tuple[list[str], Release] | None:
    batch = batcher.release(draining=draining)
    return batch and (batch.items, batch.reason)


def test_nothing_waits_nothing_is_released(batcher: MicroBatcher[str]) -> None:
    """An empty batcher has no release due, even while draining."""
    assert batcher.due_in_s() is None
    assert batcher.release() is None
    assert batcher.release(draining=True) is None


def test_a_batch_tells_what_it_could_have_held(batcher: MicroBatcher[str]) -> None:
    """So that metrics can tell full batches from those that nobody filled."""
    add(batcher, "a")
    batch = batcher.release(draining=True)
    assert batch is not None and (len(batch.items), batch.capacity) == (1, 4)


def test_a_full_batch_goes_at_once(batcher: MicroBatcher[str]) -> None:
    """As many items as fit are released without any wait, and those beyond stay in order."""
    add(batcher, "abcde")
    assert batcher.due_in_s() == 0
    assert released(batcher) == (list("abcd"), Release.FULL)
    assert len(batcher) == 1
    assert batcher.release() is None
    assert released(batcher, draining=True) == (["e"], Release.DRAIN)


def test_the_timer_counts_from_the_first_item(batcher: MicroBatcher[str], clock: Clock) -> None:
    """The first item waits max_delay at most, however late others arrive."""
    add(batcher, "a")
    clock.now_s += 0.4
    add(batcher, "b")
    assert batcher.due_in_s() == pytest.approx(0.1)
    assert batcher.release() is None
    clock.now_s += 0.1
    assert batcher.due_in_s() == 0
    assert released(batcher) == (["a", "b"], Release.TIMER)


def test_what_was_waited_before_counts(batcher: MicroBatcher[str], clock: Clock) -> None:
    """An item that was ready while the last batch ran does not wait for its max_delay anew."""
    batcher.add("a", 1, clock.now_s + 60, since_s=clock.now_s - 0.4)
    assert batcher.due_in_s() == pytest.approx(0.1)
    batcher.add("b", 1, clock.now_s + 60)
    clock.now_s += 0.1
    assert released(batcher) == (["a", "b"], Release.TIMER)


def test_a_near_deadline_releases_early(batcher: MicroBatcher[str], clock: Clock) -> None:
    """A batch goes when the nearest of all deadlines is within the margin, wherever that item stands in it."""
    add(batcher, "a")
    add(batcher, "b", deadline_s=clock.now_s + 0.35)
    add(batcher, "c")
    assert batcher.due_in_s() == pytest.approx(0.1)
    assert batcher.release() is None
    clock.now_s += 0.11
    assert released(batcher) == (["a", "b", "c"], Release.DEADLINE)


def test_a_deadline_in_the_past_is_due_now(batcher: MicroBatcher[str], clock: Clock) -> None:
    """An item that came too late is not kept waiting any longer; the time it is due in is 0, not negative."""
    add(batcher, "a", deadline_s=clock.now_s - 60)
    assert batcher.due_in_s() == 0
    assert released(batcher) == (["a"], Release.DEADLINE)


def test_bytes_fill_a_batch(batcher: MicroBatcher[str]) -> None:
    """Items are released before the one that would take the batch over the byte limit."""
    add(batcher, "abc", size_bytes=40)
    assert released(batcher) == (["a", "b"], Release.FULL)
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
    batcher = batcher_of(BatchPolicy(max_items=4, max_bytes=100, max_delay_s=0), Clock())
    add(batcher, "a")
    assert batcher.due_in_s() == 0
    assert released(batcher) == (["a"], Release.TIMER)


def test_interactive_goes_first(batcher: MicroBatcher[str]) -> None:
    """Bulk that came before is overtaken, in order within each lane, and fills what room there is."""
    add(batcher, "ABC", lane=BULK)
    add(batcher, "ab")
    assert released(batcher) == (["a", "b", "A", "B"], Release.FULL)
    assert released(batcher, draining=True) == (["C"], Release.DRAIN)


@pytest.mark.parametrize(("share", "batches"), [(0.25, 1), (0.1, 3), (0.05, 5)])
def test_bulk_never_starves(clock: Clock, share: float, batches: int) -> None:
    """While more interactive items wait than a batch holds, bulk has its share of the places, saved up where it is
    less than one."""
    policy = BatchPolicy(max_items=4, max_bytes=100, max_delay_s=0.5, bulk_share=share)
    batcher = batcher_of(policy, clock)
    add(batcher, "A" * 1000, size_bytes=0, lane=BULK)
    released = []
    for _ in range(100):
        add(batcher, "a" * 5, size_bytes=0)
        batch = batcher.release()
        assert batch is not None
        released.append("".join(batch.items))
    assert [batch.count("A") for batch in released].index(1) == batches - 1
    assert sum(batch.count("A") for batch in released) == pytest.approx(100 * 4 * share, abs=1)


def test_what_bulk_does_not_need_it_cannot_save_up(clock: Clock) -> None:
    """After a long time with one bulk item in a hundred, many of them still get no more than their share."""
    policy = BatchPolicy(max_items=10, max_bytes=100, max_delay_s=0.5, bulk_share=0.2)
    batcher = batcher_of(policy, clock)
    for _ in range(20):
        add(batcher, "A", size_bytes=0, lane=BULK)
        add(batcher, "a" * 10, size_bytes=0)
        batcher.release()
    add(batcher, "A" * 50, size_bytes=0, lane=BULK)
    add(batcher, "a" * 50, size_bytes=0)
    batch = batcher.release()
    assert batch is not None
    assert batch.items.count("A") <= 1 + 2


TARGETS = {INTERACTIVE: 0.4, BULK: 0.8}


def test_each_lane_has_a_size_of_its_own(clock: Clock) -> None:
    """A batch with anything interactive in it meets that lane's target; one of bulk alone the larger one."""
    policy = BatchPolicy(max_items=16, max_bytes=1000, max_delay_s=0.5, target_s=TARGETS)
    sizing = Sizing(policy)
    for items in (1, 2, 4, 8) * 5:
        sizing.observe(items, 0.1 * items)
    batcher: MicroBatcher[str] = MicroBatcher(policy, sizing, clock)
    add(batcher, "ABCDEFGHIJ", lane=BULK)
    assert released(batcher) == (list("ABCDEFGH"), Release.FULL)
    add(batcher, "abc")
    assert released(batcher) == (list("abcI"), Release.FULL)
    assert released(batcher, draining=True) == (["J"], Release.DRAIN)


@pytest.mark.parametrize("first", LANES)
def test_the_timer_is_that_of_whoever_waits_longest(batcher: MicroBatcher[str], clock: Clock, first: str) -> None:
    """Of either lane."""
    (second,) = set(LANES) - {first}
    add(batcher, "a", lane=first)
    clock.now_s += 0.4
    add(batcher, "b", lane=second)
    assert batcher.due_in_s() == pytest.approx(0.1)


@pytest.mark.parametrize("near", LANES)
def test_a_near_deadline_counts_in_either_lane(batcher: MicroBatcher[str], clock: Clock, near: str) -> None:
    """Also where those before it in its lane have more time, and where one with a nearer deadline has gone."""
    for lane in LANES:
        add(batcher, "a", lane=lane)
    add(batcher, "b", deadline_s=clock.now_s + 0.3, lane=near)
    assert batcher.due_in_s() == pytest.approx(0.05)
    assert batcher.release(draining=True) is not None
    add(batcher, "c", lane=near)
    assert batcher.due_in_s() == pytest.approx(0.5)


@dataclass(frozen=True)
class Arrival:
    """An item comes in."""

    size_bytes: int
    time_left_s: float
    lane: str


Step = Arrival | float | bool
"""An arrival, seconds that pass, or a look at the batcher, draining or not."""

STEPS = st.lists(
    st.builds(Arrival, st.integers(0, 160), st.floats(-1, 3), st.sampled_from(LANES)) | st.floats(0, 1) | st.booleans(),
    max_size=60,
)
POLICIES = st.builds(
    BatchPolicy,
    max_items=st.integers(1, 8),
    max_bytes=st.integers(1, 150),
    max_delay_s=st.floats(0, 1),
    target_s=st.dictionaries(st.sampled_from(LANES), st.floats(0.01, 1)),
    bulk_share=st.floats(0.05, 1),
    deadline_margin_s=st.floats(0, 0.5),
)

Item = tuple[str, int, int, float]
"""Lane, number, bytes, deadline."""


@given(STEPS, POLICIES, st.lists(st.tuples(st.integers(1, 8), st.floats(0, 0.5)), max_size=4))
def test_every_item_leaves_once_in_order_within_the_limits(
    steps: list[Step], policy: BatchPolicy, batches: list[tuple[int, float]]
) -> None:
    """Whatever arrives when, and whatever was learned of batches: nothing is lost, doubled, reordered within its lane
    or put into a batch over the limits, and it is released when the nearest deadline or the longest wait says so."""
    clock, sizing = Clock(), Sizing(policy)
    for items, seconds in batches:
        sizing.observe(min(items, policy.max_items), seconds)
    batcher: MicroBatcher[Item] = MicroBatcher(policy, sizing, clock)
    waiting: dict[str, list[tuple[Item, float]]] = {lane: [] for lane in LANES}
    arrived: list[Item] = []
    left: list[Item] = []

    def expected_due() -> bool:
        everybody = [who for line in waiting.values() for who in line]
        size = sizing.size(INTERACTIVE if waiting[INTERACTIVE] else BULK)
        late = [
            min(item[3] for item, _ in everybody) - policy.deadline_margin_s <= clock.now_s,
            any(line and line[0][1] + sizing.delay_s(lane) <= clock.now_s for lane, line in waiting.items()),
        ]
        return len(everybody) >= size or sum(item[2] for item, _ in everybody) >= policy.max_bytes or any(late)

    def look(draining: bool) -> bool:
        due_in_s, count = batcher.due_in_s(), len(batcher)
        due = count > 0 and expected_due()
        size = sizing.size(INTERACTIVE if waiting[INTERACTIVE] else BULK)
        batch = batcher.release(draining=draining)
        assert due_in_s is None if not count else (due_in_s is not None and due_in_s >= 0)
        assert due == (due_in_s == 0)
        # It is released exactly when it was due, or because the worker drains.
        assert (batch is not None) == (due or (draining and count > 0))
        if batch is None:
            return False
        assert 1 <= len(batch.items) <= size <= policy.max_items
        assert len(batch.items) == 1 or sum(item[2] for item in batch.items) <= policy.max_bytes
        assert draining or batch.reason is not Release.DRAIN
        for item in batch.items:
            assert waiting[item[0]].pop(0)[0] == item
        left.extend(batch.items)
        return True

    for step in steps:
        match step:
            case Arrival(size_bytes, time_left_s, lane):
                item = (lane, len(arrived), size_bytes, clock.now_s + time_left_s)
                arrived.append(item)
                waiting[lane].append((item, clock.now_s))
                batcher.add(item, size_bytes, item[3], lane)
            case bool():
                look(step)
            case float():
                clock.now_s += step
        assert len(batcher) == len(arrived) - len(left)
    while look(draining=True):
        pass
    assert sorted(left) == sorted(arrived)


@given(st.floats(0, 3), st.floats(0, 1), st.floats(0.01, 1))
def test_waiting_for_due_is_enough(time_left_s: float, max_delay_s: float, margin_s: float) -> None:
    """Whoever waits as long as due_in_s says, to within the clock's resolution, gets the batch."""
    clock = Clock()
    batcher = batcher_of(BatchPolicy(10, 1000, max_delay_s, deadline_margin_s=margin_s), clock)
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
