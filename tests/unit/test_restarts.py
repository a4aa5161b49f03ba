"""How often `songlens up` starts a worker again."""

from __future__ import annotations

from songlens_workers.commands.processes import Restarts


def test_a_worker_that_keeps_giving_up_is_not_started_for_ever() -> None:
    """One that ends by itself, as for bad settings, is started three times again."""
    restarts = Restarts()
    assert [restarts.allow(4) for _ in range(5)] == [True, True, True, False, False]


def test_a_worker_that_is_killed_has_more_lives() -> None:
    """Four photos that kill at each of their three deliveries do not end the whole system."""
    restarts = Restarts()
    assert [restarts.allow(-9) for _ in range(13)] == [True] * 12 + [False]


def test_old_restarts_are_forgotten() -> None:
    """Only those within the window count."""
    restarts = Restarts(window_s=0)
    assert all(restarts.allow(1) for _ in range(10))
