"""What `songlens bench` makes of measured figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from songlens_benchmarks import results
from songlens_benchmarks.compare import changes
from songlens_benchmarks.results import Result
from songlens_benchmarks.row import Reference, Row, Target
from songlens_benchmarks.table import cells, figure, markdown
from songlens_benchmarks.turns import in_turns
from songlens_shared.errors import DataError


def row(value: float = 4.0, **given: object) -> Row:
    """A figure with a limit of 5 and a baseline of 2."""
    fields = {"what": "it", "unit": "a second", "limit": Reference("limit", 5.0), "baseline": Reference("other", 2.0)}
    return Row(value=value, **(fields | given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target(of="limit", at_least=0.8), True),
        (Target(of="limit", at_least=0.81), False),
        (Target(of="baseline", at_least=2), True),
        (Target(of="baseline", at_most=1.9), False),
        (Target(of="value", at_most=4), True),
        (Target(of="value", at_least=4.1), False),
        (None, None),
    ],
)
def test_a_target_is_reached_or_missed(target: Target | None, met: bool | None) -> None:
    """By the figure itself, or by its ratio to the limit or to the baseline."""
    assert row(target=target).met is met


def test_a_target_without_what_it_compares_with_is_refused() -> None:
    """A row cannot promise a ratio to something that was not measured."""
    with pytest.raises(ValueError, match="does not have"):
        row(baseline=None, target=Target(of="baseline", at_least=2))
    with pytest.raises(ValueError, match="either"):
        Target(of="value")


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    """A row comes back with where it was measured; the last one of a name counts."""
    file = tmp_path / "new" / "results.jsonl"
    kept = row(target=Target(of="limit", at_least=0.8), note="noted")
    results.append(file, "forward", row(1.0))
    results.append(file, "forward", kept)
    (found,) = results.read(file)
    assert (found.benchmark, found.row) == ("forward", kept)
    assert found.about["machine"]["cores"] >= 1
    assert results.commits([found]) == [found.commit]
    assert json.loads(file.read_text().splitlines()[1])["met"] is True


def test_a_share_has_no_unit() -> None:
    """Of a results file it comes back as it was."""
    share = row(unit="", note="")
    assert Row.from_dict(share.to_dict()) == share


@pytest.mark.parametrize("text", ["{}", "no json", '{"benchmark": "a", "what": "b", "value": 1}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """With a sentence that names it."""
    file = tmp_path / "other.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=r"other\.jsonl is not a results file"):
        results.read(file)
    with pytest.raises(DataError, match="cannot be read"):
        results.read(tmp_path / "missing.jsonl")


def test_two_runs_are_compared_by_their_ratios() -> None:
    """A machine that is slower today, and so is its limit, has not made anything worse."""
    before = [Result("forward", row(4.0), {}), Result("forward", row(1.0, what="plain", limit=None, baseline=None), {})]
    after = [
        Result("forward", row(2.0, limit=Reference("limit", 2.5)), {}),
        Result("forward", row(3.0, what="plain", limit=None, baseline=None), {}),
        Result("forward", row(what="new"), {}),
    ]
    by_limit, plain = changes(before, after)
    assert (by_limit.compared, by_limit.ratio) == ("ratio to its limit", 1.0)
    assert (plain.compared, plain.ratio) == ("a second", 3.0)


def test_a_row_as_people_see_it() -> None:
    """Figure, share of the limit, ratio to the baseline, target, verdict."""
    shown = cells(row(target=Target(of="limit", at_least=0.95)))
    assert shown == ("4 a second", "0.8 × limit (5)", "2 × other (2)", "≥ 0.95 of the limit", "missed")
    table = markdown([Result("forward", row(note="on noise"), {})])
    assert "| it (1) | 4 a second |" in table
    assert table.endswith("1. on noise\n")


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.9512, "0.951"), (12.34, "12.3"), (1234.5, "1,234")])
def test_figures_have_three_digits(value: float, text: str) -> None:
    """More would promise what a noisy machine cannot keep."""
    assert figure(value) == text


def test_things_are_measured_in_turns() -> None:
    """A B A B, and the median of each."""
    order: list[str] = []
    figures = iter([1.0, 10.0, 3.0, 30.0, 2.0, 20.0])

    def measure(name: str) -> float:
        order.append(name)
        return next(figures)

    assert in_turns({name: lambda name=name: measure(name) for name in "ab"}, 3) == {"a": 2.0, "b": 20.0}  # type: ignore[misc]
    assert order == list("ababab")
