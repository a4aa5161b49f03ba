"""What is learned of how long batches take."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_workers.runtime.batch_time import BatchTime

LARGEST = 32
ITEM_S = st.floats(1e-5, 1.0)
FIXED_ITEMS = st.floats(0, 100)
"""The fixed part, in items."""


def run(
    time: BatchTime,
    item_s: float,
    fixed_s: float,
    *,
    batches: int = 100,
    sizes: Sequence[int] = range(1, LARGEST + 1),
    noise: float = 0.05,
    seed: int = 1,
) -> None:
    """Run batches of sizes drawn at random."""
    dice = random.Random(seed)
    for _ in range(batches):
        items = dice.choice(sizes)
        time.observe(items, (item_s * items + fixed_s) * dice.uniform(1 - noise, 1 + noise))


def off(time: BatchTime, item_s: float, fixed_s: float, sizes: Sequence[int] = range(1, LARGEST + 1)) -> float:
    """Return by how much the expectation is wrong at most, over these sizes."""
    return max(abs(time.seconds(items) / (item_s * items + fixed_s) - 1) for items in sizes)


@given(ITEM_S, FIXED_ITEMS, st.integers(0, 1000))
def test_both_parts_are_recovered(item_s: float, fixed_items: float, seed: int) -> None:
    """From batches of all sizes whose time varies by a twentieth, whatever the two parts are.

    Of five courses of chance the worst but one counts: about one in a thousand misleads for a while.
    """
    fixed_s = item_s * fixed_items
    times = [BatchTime(LARGEST) for _ in range(5)]
    for number, each in enumerate(times):
        run(each, item_s, fixed_s, seed=5 * seed + number)
    times.sort(key=lambda each: off(each, item_s, fixed_s))
    assert off(times[-1], item_s, fixed_s) < 0.2
    time = times[-2]
    assert off(time, item_s, fixed_s) < 0.12
    most = item_s * LARGEST + fixed_s
    assert time.item_s * LARGEST == pytest.approx(item_s * LARGEST, abs=0.15 * most)
    assert time.fixed_s == pytest.approx(fixed_s, abs=0.12 * most)


def test_exactly_where_nothing_varies() -> None:
    """Two sizes are enough."""
    time = BatchTime(LARGEST)
    run(time, 0.25, 0.05, sizes=(1, 2), noise=0)
    assert (time.item_s, time.fixed_s) == (pytest.approx(0.25, rel=0.01), pytest.approx(0.05, rel=0.01))


@given(st.integers(1, LARGEST), st.floats(1e-4, 10))
def test_one_size_is_known_and_others_are_guessed_between_the_extremes(items: int, seconds: float) -> None:
    """From batches of one size alone: no more than proportional, and no less than all fixed."""
    time = BatchTime(LARGEST)
    for _ in range(50):
        time.observe(items, seconds)
    assert time.seconds(items) == pytest.approx(seconds)
    assert time.item_s > 0
    assert time.fixed_s > 0


def test_the_ratio_outlives_a_long_time_at_one_size() -> None:
    """What two sizes have shown still holds when ten thousand batches of one size have run."""
    time = BatchTime(LARGEST)
    run(time, 0.001, 0.02)
    run(time, 0.001, 0.02, batches=10_000, sizes=(LARGEST,), seed=2)
    assert off(time, 0.001, 0.02) < 0.15


@pytest.mark.parametrize("factor", [0.1, 0.5, 2.0, 3.0])
def test_a_drift_is_followed(factor: float) -> None:
    """A device that becomes slower or faster is known within some sixty batches."""
    time = BatchTime(LARGEST)
    run(time, 0.0005, 0.005)
    assert off(time, 0.0005 * factor, 0.005 * factor) > 0.4
    run(time, 0.0005 * factor, 0.005 * factor, batches=80, seed=2)
    assert off(time, 0.0005 * factor, 0.005 * factor) < 0.15


def test_the_two_parts_may_change_apart() -> None:
    """From a device whose batches cost much to one whose items do."""
    time = BatchTime(LARGEST)
    run(time, 0.0005, 0.02)
    run(time, 0.002, 0.001, batches=150, seed=2)
    assert off(time, 0.002, 0.001) < 0.2


@pytest.mark.parametrize("seconds", [60.0, 1e-6])
def test_one_odd_batch_changes_little(seconds: float) -> None:
    """One that was held up for a minute, or that ended at once, moves nothing by more than a fifth."""
    time = BatchTime(LARGEST)
    run(time, 0.01, 0.05)
    time.observe(LARGEST, seconds)
    assert off(time, 0.01, 0.05) < 0.2


def test_many_odd_batches_do_not_wreck_it() -> None:
    """With one batch in a hundred held up a hundredfold, expectations stay within a third."""
    time, dice = BatchTime(LARGEST), random.Random(1)
    worst = 0.0
    for number in range(1000):
        items = dice.randint(1, LARGEST)
        time.observe(items, (0.01 * items + 0.05) * (100 if dice.random() < 1 / 100 else 1))
        if number > 50:
            worst = max(worst, off(time, 0.01, 0.05))
    assert worst < 1 / 3


def test_a_slow_start_is_forgotten_at_once() -> None:
    """The first batch of a process takes a hundred times as long as the next: soon that counts for nothing."""
    time = BatchTime(LARGEST)
    time.observe(1, 25.0)
    for items in (1, 2, 4):
        time.observe(items, 0.25 * items)
    assert off(time, 0.25, 0.0, range(1, 5)) < 0.1


@given(st.lists(st.tuples(st.integers(1, LARGEST), st.floats(0, 1e6)), max_size=200))
def test_the_parts_are_never_negative(batches: list[tuple[int, float]]) -> None:
    """Whatever is observed, also a clock that stands still: both parts are finite and 0 or more, and not both 0."""
    time = BatchTime(LARGEST)
    assert not time.known
    for items, seconds in batches:
        time.observe(items, seconds)
        assert time.known
        assert 0 <= time.item_s < 1e9
        assert 0 <= time.fixed_s < 1e9
        assert time.seconds(1) > 0


def test_a_clock_that_stands_still_does_no_harm() -> None:
    """Ten thousand batches of no time, and then one of some."""
    time = BatchTime(LARGEST)
    for _ in range(10_000):
        time.observe(1, 0.0)
    time.observe(1, 1.0)
    assert 0 < time.seconds(1) < 1e-6
