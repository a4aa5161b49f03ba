"""How many items a batch shall hold, and how long it may wait for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.keys import BULK, INTERACTIVE, LANES
from songlens_workers.runtime.sizing import BatchPolicy, Sizing

POLICY = BatchPolicy(
    max_items=16, max_bytes=2**20, max_delay_s=0.005, target_s={INTERACTIVE: 0.3, BULK: 1.0}, bulk_share=0.1
)


def learned(item_s: float, fixed_s: float, policy: BatchPolicy = POLICY) -> Sizing:
    """Return what is decided once batches of all sizes have run on a device of this kind."""
    sizing = Sizing(policy)
    for _ in range(10):
        for items in range(1, policy.max_items + 1):
            sizing.observe(items, item_s * items + fixed_s)
    return sizing


@pytest.mark.parametrize(
    ("item_s", "fixed_s", "interactive", "bulk"),
    [
        (0.25, 0.001, 1, 3),  # VGG-19 on a CPU
        (0.06, 0.001, 4, 16),  # the same in int8
        (0.0005, 0.005, 16, 16),  # a GPU
        (0.02, 0.15, 7, 16),  # 7 * 0.02 + 0.15 = 0.29
    ],
)
def test_the_largest_size_that_meets_the_target(item_s: float, fixed_s: float, interactive: int, bulk: int) -> None:
    """Each lane by its own target, never over max_items."""
    sizing = learned(item_s, fixed_s)
    assert (sizing.size(INTERACTIVE), sizing.size(BULK)) == (interactive, bulk)


def test_a_target_that_nothing_meets_costs_no_throughput() -> None:
    """Where batches take the time and not items, size is kept that gives half of the most throughput; else 1."""
    rate = lambda items: items / (0.01 * items + 0.6)  # noqa: E731
    size = learned(0.01, 0.6).size(INTERACTIVE)
    assert rate(size) >= 0.5 * rate(16) > rate(size - 1)
    assert learned(0.6, 0.01).size(INTERACTIVE) == 1


def test_a_lane_without_a_target_is_bound_by_the_other_limits_alone() -> None:
    """Size and delay are as they are set, whatever batches take, and no less is claimed ahead."""
    sizing = learned(0.25, 0.0, replace(POLICY, target_s={INTERACTIVE: 0.3}))
    assert (sizing.size(INTERACTIVE), sizing.size(BULK)) == (1, 16)
    assert sizing.delay_s(BULK) == POLICY.max_delay_s
    assert sizing.ahead is None


def test_before_the_first_batch() -> None:
    """A few are tried, and no more than two such batches claimed, whatever the target, for the device may be slow."""
    sizing = Sizing(POLICY)
    assert [sizing.size(lane) for lane in LANES] == [4, 4]
    assert sizing.delay_s(INTERACTIVE) == POLICY.max_delay_s
    assert sizing.ahead == 8
    assert Sizing(replace(POLICY, max_items=2)).size(BULK) == 2


def test_sizes_grow_with_those_that_have_run() -> None:
    """A fast device has the largest size after four batches, and no size is tried before half of it has run."""
    sizing, sizes = Sizing(POLICY), []
    for _ in range(4):
        sizing.observe(sizes[-1] if sizes else 1, 0.0001)
        sizes.append(sizing.size(INTERACTIVE))
    assert sizes == [2, 4, 8, 16]


def test_one_size_alone_does_not_bind() -> None:
    """A device whose batch of one takes nearly the whole target is tried with two, and turns out to take many."""
    sizing = Sizing(POLICY)
    for _ in range(100):
        sizing.observe(1, 0.28)
    assert sizing.size(INTERACTIVE) == 2
    for _ in range(20):
        sizing.observe(sizing.size(INTERACTIVE), 0.28 + 0.001 * sizing.size(INTERACTIVE))
    assert sizing.size(INTERACTIVE) == 16


@pytest.mark.parametrize(("fixed_s", "delay_s"), [(0.0, 0.0), (0.002, 0.002), (0.3, 0.005)])
def test_a_wait_is_worth_the_fixed_part(fixed_s: float, delay_s: float) -> None:
    """Where a batch costs nothing but its items, nobody waits; and never longer than max_delay."""
    assert learned(0.01, fixed_s).delay_s(INTERACTIVE) == pytest.approx(delay_s, abs=1e-4)


def test_what_is_claimed_ahead() -> None:
    """Two batches of a slow device; a quarter of a second's work of a fast one."""
    assert learned(0.25, 0.001).ahead == 2 * 3
    assert learned(0.0005, 0.005).ahead == pytest.approx(0.25 * 16 / 0.013, abs=2)


@given(
    st.lists(st.tuples(st.integers(1, 16), st.floats(0, 1e3)), min_size=1, max_size=60),
    st.integers(1, 16),
    st.dictionaries(st.sampled_from(LANES), st.floats(1e-4, 60)),
)
def test_never_nothing_and_never_too_much(
    batches: list[tuple[int, float]], max_items: int, target_s: dict[str, float]
) -> None:
    """Whatever is observed: 1 <= size <= max_items, 0 <= delay <= max_delay, and two batches are claimed ahead."""
    policy = replace(POLICY, max_items=max_items, target_s=target_s)
    sizing = Sizing(policy)
    for items, seconds in batches:
        sizing.observe(min(items, max_items), seconds)
        for lane in LANES:
            assert 1 <= sizing.size(lane) <= max_items
            assert 0 <= sizing.delay_s(lane) <= policy.max_delay_s
        assert sizing.ahead is None or sizing.ahead >= 2 * max(map(sizing.size, LANES))


def test_a_long_queue_makes_larger_batches() -> None:
    """Who has waited for long gains nothing by small batches: interactive ones may then take a quarter of the wait.
    Bulk's may not, for interactive photos wait for them; and when the queue is short again, the target holds again."""
    sizing = learned(0.25, 0.001)
    for waited_s, interactive in ((1.1, 1), (2.1, 2), (4.1, 4), (100.0, 16), (0.0, 1)):
        sizing.observe(16, 0.25 * 16 + 0.001, waited_s=waited_s)
        assert (sizing.size(INTERACTIVE), sizing.size(BULK)) == (interactive, 3)
        assert sizing.ahead is not None
        assert sizing.ahead >= 2 * interactive
