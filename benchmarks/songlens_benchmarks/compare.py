"""Two results files side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from songlens_benchmarks.results import Result
from songlens_benchmarks.row import Row


@dataclass(frozen=True)
class Change:
    """The same row of two runs; what has no ratio of its own is compared as it is."""

    benchmark: str
    what: str
    before: float
    after: float
    compared: str
    """What is compared: a ratio within each run, which a slower day does not change, or the figures themselves."""

    @property
    def ratio(self) -> float:
        """After to before."""
        return self.after / self.before if self.before else float("nan")


def changes(before: Sequence[Result], after: Sequence[Result]) -> Iterator[Change]:
    """Yield each row that both have."""
    known = {(result.benchmark, result.row.what): result.row for result in before}
    for result in after:
        old = known.get((result.benchmark, result.row.what))
        if old is not None:
            yield _change(result.benchmark, old, result.row)


def _change(benchmark: str, old: Row, new: Row) -> Change:
    for of in ("limit", "baseline"):
        past, now = old.ratio(of), new.ratio(of)
        if past is not None and now is not None:
            return Change(benchmark, new.what, past, now, f"ratio to its {of}")
    return Change(benchmark, new.what, old.value, new.value, new.unit)
