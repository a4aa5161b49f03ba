"""Photos of a shard on their way: many at once, in order, each until it is answered or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from songlens_batch.errors import NotServing, TooManyErrors
from songlens_batch.scoring import asking
from songlens_batch.scoring.asking import TRIES, Asking, Refused
from songlens_batch.scoring.in_order import in_order
from songlens_batch.scoring.tally import Tally
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.row_failed import RowFailed
from songlens_shared.errors import (
    BadImage,
    BrokerUnavailable,
    DeadlineExceeded,
    InternalError,
    NoModel,
    QueueFull,
)

ITEM = SourceItem(id="a", path="/a.jpg")
PHOTO = b"\xff\xd8\xff" + b"x" * 200


async def all_of(numbers: range, work: Callable[[int], Awaitable[int]], at_once: int) -> list[int]:
    return [found async for found in in_order(numbers, work, at_once=at_once)]


async def test_results_come_in_order_and_few_at_a_time() -> None:
    """However long each takes; no more than allowed are worked on, and a bounded number is begun."""
    going = most = begun = 0
    taken: list[int] = []

    async def work(number: int) -> int:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await asyncio.sleep(0.001 * (number * 7 % 5))
        going -= 1
        return number

    def numbers() -> Iterator[int]:
        nonlocal begun
        for number in range(100):
            begun += 1
            assert begun - len(taken) <= 4 * 3 + 1
            yield number

    async for number in in_order(numbers(), work, at_once=3):
        taken.append(number)
    assert taken == list(range(100))
    assert most == 3


async def test_one_that_fails_ends_the_others() -> None:
    """What it raises comes in its turn; nobody goes on in the background."""
    ended: list[int] = []

    async def work(number: int) -> int:
        if number == 2:
            raise NotServing
        try:
            await asyncio.sleep(0 if number < 2 else 60)
        finally:
            ended.append(number)
        return number

    with pytest.raises(NotServing):
        await all_of(range(6), work, 8)
    assert sorted(ended) == [0, 1, 3, 4, 5]


class Reader:
    """Gives the photo, after so many failures."""

    def __init__(self, *failures: RowFailed) -> None:
        self._failures = list(failures)

    def read(self, item: SourceItem) -> bytes:
        if self._failures:
            raise self._failures.pop(0)
        return PHOTO


class Stages:
    """Answer with what is given, one after the other; the last again and again."""

    def __init__(self, *outcomes: str | Exception) -> None:
        self._outcomes = list(outcomes)
        self.ids: list[str] = []

    async def __call__(self, photo: bytes, request_id: str) -> str:
        assert photo == PHOTO
        self.ids.append(request_id)
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between tries."""
    monkeypatch.setattr(asking, "_PAUSE_S", 0.0)


async def answer(stages: Stages, reader: Reader | None = None, patience_s: float = 60.0) -> str | Refused:
    ticks = iter(range(1_000_000))
    with ThreadPoolExecutor(1) as threads:
        asked: Asking[SourceItem, str] = Asking(
            ask=stages,
            read=(reader or Reader()).read,
            threads=threads,
            advice="See with `songlens doctor`.",
            patience_s=patience_s,
            clock_s=lambda: float(next(ticks)),
        )
        return await asked.answer(ITEM, "id")


async def test_an_answer_is_an_answer() -> None:
    """Asked for once."""
    stages = Stages("songs")
    assert await answer(stages) == "songs"
    assert stages.ids == ["id.0"]


async def test_a_photo_s_own_fault_is_told_at_once() -> None:
    """Trying again would change nothing."""
    stages = Stages(BadImage("no photo."))
    assert await answer(stages) == Refused("bad_image", "no photo.")
    assert len(stages.ids) == 1


@pytest.mark.parametrize("error", [QueueFull(retry_after_ms=0), BrokerUnavailable("away")])
async def test_what_passes_is_waited_for(error: Exception) -> None:
    """Under the same id: nothing has become of the request."""
    stages = Stages(error, error, "songs")
    assert await answer(stages) == "songs"
    assert stages.ids == ["id.0"] * 3
    with pytest.raises(NotServing):
        await answer(Stages(error))


async def test_a_redis_that_says_no_is_not_waited_for() -> None:
    """A wrong password does not become right by waiting."""
    refused = BrokerUnavailable("refuses the password.")
    refused.__cause__ = redis.AuthenticationError("WRONGPASS")
    stages = Stages(refused, "songs")
    with pytest.raises(BrokerUnavailable, match="refuses the password"):
        await answer(stages)
    assert len(stages.ids) == 1


async def test_workers_that_load_a_model_are_waited_for() -> None:
    """More often than other faults, but not for ever."""
    stages = Stages(*[NoModel()] * 10, "songs")
    assert await answer(stages) == "songs"
    assert len(set(stages.ids)) == 11
    with pytest.raises(NotServing, match="No model version is published"):
        await answer(Stages(NoModel()))


async def test_a_photo_that_breaks_workers_is_a_row() -> None:
    """After as many tries as any other fault gets, each under an id of its own."""
    stages = Stages(InternalError("kept as a dead letter."))
    assert await answer(stages) == Refused("internal", "kept as a dead letter.")
    assert len(set(stages.ids)) == TRIES
    assert await answer(Stages(InternalError(), InternalError(), "songs")) == "songs"


async def test_nobody_who_answers_is_no_row() -> None:
    """It says nothing about the photo: the shard fails, to be tried again."""
    with pytest.raises(NotServing, match="songlens doctor"):
        await answer(Stages(DeadlineExceeded("too late.")))


async def test_a_source_that_may_be_better_later_is_read_again() -> None:
    """One that says no for good is not."""
    broken = RowFailed("not_fetched", "the store is away.", again=True)
    assert await answer(Stages("songs"), Reader(broken, broken)) == "songs"
    assert await answer(Stages("songs"), Reader(*[broken] * TRIES)) == Refused("not_fetched", "the store is away.")
    gone = RowFailed("not_found", "it is gone.")
    assert await answer(Stages("songs"), Reader(gone)) == Refused("not_found", "it is gone.")


def test_a_tally_knows_when_to_stop() -> None:
    """At the limit all is well, past it nothing is."""
    tally = Tally(4, 0.5, clock_s=lambda: 0.0)
    tally.answered("m")
    tally.refused("bad_image", "one.")
    tally.refused("not_found", "two.")
    with pytest.raises(TooManyErrors, match=r"3 of 4 photos of a shard failed \(2 not_found, 1 bad_image\).*three\."):
        tally.refused("not_found", "three.")
    assert tally.as_json()["errors"] == {"bad_image": 1, "not_found": 2}
