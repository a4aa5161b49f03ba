"""One line of a benchmark's table: a figure, what it was measured beside, its physical limit, and its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Of = Literal["value", "baseline", "limit"]


@dataclass(frozen=True)
class Effort:
    """How much time a benchmark may take."""

    rounds: int = 3
    """Turns that medians are taken of."""

    quick: bool = False
    """Whether sizes may be smaller, for a look rather than a figure."""


@dataclass(frozen=True)
class Reference:
    """What a figure is compared with, measured in the same run and in the same unit."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """A bound on the figure itself, or on its ratio to the baseline or to the limit."""

    of: Of
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a target is either at_least or at_most")

    def met_by(self, measured: float) -> bool:
        """Say whether it is reached."""
        return measured >= self.at_least if self.at_least is not None else measured <= (self.at_most or 0.0)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure: the median of its rounds."""

    what: str
    value: float
    unit: str
    baseline: Reference | None = None
    limit: Reference | None = None
    target: Target | None = None
    note: str = ""
    """What somebody who reads the figure must know."""

    def __post_init__(self) -> None:
        if self.target is not None and self.ratio(self.target.of) is None:
            raise ValueError(f"{self.what}: the target is a ratio to a {self.target.of} that the row does not have")

    def ratio(self, of: Of) -> float | None:
        """Return the figure itself, or divided by the baseline or the limit; None where there is none."""
        if of == "value":
            return self.value
        reference = self.baseline if of == "baseline" else self.limit
        return self.value / reference.value if reference is not None and reference.value else None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        measured = self.ratio(self.target.of)
        return measured is not None and self.target.met_by(measured)

    def to_dict(self) -> dict[str, Any]:
        """Return the row as it stands in a results file: what it does not have is left out."""
        found = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return {**found, "unit": self.unit, "met": self.met}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the row of a line of a results file."""
        baseline, limit, target = fields.get("baseline"), fields.get("limit"), fields.get("target")
        return cls(
            what=fields["what"],
            value=fields["value"],
            unit=fields["unit"],
            baseline=Reference(**baseline) if baseline else None,
            limit=Reference(**limit) if limit else None,
            target=Target(**target) if target else None,
            note=fields.get("note", ""),
        )
