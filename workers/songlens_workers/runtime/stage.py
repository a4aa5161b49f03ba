"""What a stage is: how to prepare one entry, and how to run a batch of prepared ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from songlens_shared.errors import RequestError
from songlens_shared.functions import Delivery
from songlens_shared.messages import Reply


@dataclass(frozen=True)
class Work:
    """A claimed entry."""

    delivery: Delivery
    claimed_ms: int
    """Redis server time."""

    @property
    def queue_ms(self) -> float:
        """How long the entry waited in its stream."""
        return float(max(0, self.claimed_ms - self.delivery.entered_ms))


@dataclass(frozen=True)
class HandOver:
    """Write this to the next stage's stream."""

    stream: str
    payload: Callable[[], bytes] = field(repr=False)
    """Makes the message; called where outcomes are sent, while the next batch runs."""

    model: str | None = None
    """The model version that was used; this and what follows is for who watches."""

    timings_ms: Mapping[str, float] = field(default_factory=dict)
    cached: bool = False


@dataclass(frozen=True)
class Answer:
    """Reply to the client."""

    reply: Reply


Observe = Callable[[str, float], None]
"""Called with a step of the stage's own and the seconds that it took."""


def unobserved(step: str, seconds: float) -> None:
    """Nobody wants to know."""


Outcome = HandOver | Answer | RequestError
"""What becomes of one entry; an error is answered as the error reply."""

P = TypeVar("P")


class Stage(Protocol[P]):
    """One step of the pipeline. `prepare` is called by several threads, the others by one."""

    name: str

    def prepare(self, work: Work) -> P | Outcome:
        """Decode and check one entry; a `RequestError` answers it and leaves all others alone.

        Returns an item for a batch, or the outcome of an entry that needs none: it ends at once.
        """

    def size_bytes(self, item: P) -> int:
        """Return how much of the batch's byte limit an item takes."""

    def run(self, items: Sequence[P]) -> list[Outcome]:
        """Return one outcome for each item, in order. Any other error makes the worker try smaller batches."""

    def ready(self) -> list[str]:
        """Return why the stage cannot serve; nothing when it can."""


def run_by_version(
    items: Sequence[P], version_of: Callable[[P], str], run: Callable[[str, Sequence[P]], list[Outcome]]
) -> list[Outcome]:
    """Run the items of each model version apart, since a batch may straddle a swap; outcomes in the items' order."""
    positions: dict[str, list[int]] = {}
    for position, item in enumerate(items):
        positions.setdefault(version_of(item), []).append(position)
    outcomes: dict[int, Outcome] = {}
    for version, members in positions.items():
        outcomes.update(zip(members, run(version, [items[position] for position in members]), strict=True))
    return [outcomes[position] for position in range(len(items))]
