"""What was measured, as a page."""

from __future__ import annotations

from songlens_benchmarks.report import page
from songlens_benchmarks.results import Result
from songlens_benchmarks.row import Reference, Row, Target

ABOUT = {"commit": "abc1234", "date": "2026-11-28T10:00:00+00:00", "machine": {"cores": 2}, "versions": {"torch": "2"}}
REACHED = Row(
    what="fast", value=10, unit="/s", limit=Reference("most", 11), target=Target(of="limit", at_least=0.9), note="x"
)
MISSED = Row(what="slow", value=1, unit="/s", target=Target(of="value", at_least=2))
PLAIN = Row(what="known", value=3, unit="s")


def test_every_target_is_shown_at_once() -> None:
    """Whoever reads the page sees first how many targets are reached and which are not, and on what it was measured."""
    text = page([Result("one", REACHED, ABOUT), Result("one", PLAIN, ABOUT), Result("two", MISSED, ABOUT)])
    first = text.partition("## one")[0]
    assert "commit: abc1234" in first
    assert "cores 2" in first
    assert "1 of 2 reached." in first
    assert "| one | fast | 10 /s | 0.909 × most (11) |  | ≥ 0.9 of the limit | reached |" in first
    assert "| two | slow | 1 /s |  |  | ≥ 2 | missed |" in first
    assert "known" not in first


def test_runs_of_several_commits_are_told_apart() -> None:
    """A page never makes two commits look like one."""
    text = page([Result("one", PLAIN, ABOUT), Result("two", MISSED, ABOUT | {"commit": "def5678+"})])
    assert "commit: abc1234, def5678+" in text
