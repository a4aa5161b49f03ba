"""The thread that sends outcomes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from songlens_workers.runtime.health import Pulse
from songlens_workers.runtime.sending import LOOP, Ended, Sending

ONE: Any = [("an entry", "its outcome")]
TWO: Any = [("another", "its outcome"), ("a third", "its outcome")]


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_what_waits_goes_in_one_piece_and_in_order() -> None:
    """Everything that was put before `close` is sent, and then `run` returns."""
    sent: list[Ended] = []
    sending = Sending(sent.append, Pulse(60))
    for ended in (ONE, [], TWO):
        sending.put(ended)
    sending.close()
    sending.run()
    assert sent == [ONE + TWO]


def test_whoever_puts_does_not_wait() -> None:
    """A batch goes on while the outcomes of the last one are on their way; what comes meanwhile goes next."""
    sent: list[Ended] = []
    begun, gate = threading.Event(), threading.Event()

    def send(ended: Ended) -> None:
        begun.set()
        assert gate.wait(10)
        sent.append(ended)

    sending = Sending(send, Pulse(60))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sending.run)
        sending.put(ONE)
        assert begun.wait(10)
        sending.put(TWO)
        sending.put(ONE)
        assert sent == []
        gate.set()
        sending.close()
        running.result(timeout=10)
    assert sent == [ONE, TWO + ONE]


def test_a_failure_ends_the_thread() -> None:
    """Its error is the worker's: half a worker serves nobody."""

    def send(ended: Ended) -> None:
        raise RuntimeError("unforeseen")

    sending = Sending(send, Pulse(60))
    sending.put(ONE)
    with pytest.raises(RuntimeError, match="unforeseen"):
        sending.run()


def test_sending_that_hangs_is_seen() -> None:
    """The pulse misses a thread that sends, and none that has nothing to send."""
    clock = Clock()
    pulse = Pulse(60, clock)

    def send(ended: Ended) -> None:
        clock.now_s += 61
        assert pulse.stands_still(LOOP)

    sending = Sending(send, pulse)
    sending.put(ONE)
    sending.close()
    sending.run()
    assert pulse.faults() == []
