"""Metrics that can be turned off and on in a process that goes on, so that nothing else differs between the two."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from typing import Any

import structlog

from songlens_benchmarks.programs import Program

_SIGNAL = signal.SIGUSR2
_TURNED = "metrics_turned"

_log = structlog.get_logger()


class Switch:
    """Turned by a signal; on at first."""

    def __init__(self) -> None:
        """For the main thread, as Python has it of signals."""
        self.on = True
        signal.signal(_SIGNAL, self._turn)

    def of(self, metrics: object) -> Any:
        """Return the same metrics, which hear nothing while the switch is off."""
        return _Switched(metrics, self)

    def _turn(self, *_: object) -> None:
        self.on = not self.on
        _log.info(_TURNED, on=self.on)


class _Switched:
    def __init__(self, metrics: object, switch: Switch) -> None:
        self._metrics = metrics
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        call, switch = getattr(self._metrics, name), self._switch

        def heard(*args: object, **kwargs: object) -> None:
            if switch.on:
                call(*args, **kwargs)

        setattr(self, name, heard)  # asked for once
        return heard


def turn(programs: Iterable[Program]) -> None:
    """Turn the metrics of each off, or on again; returns when that is done."""
    for program in programs:
        _turn(program)


def _turn(program: Program) -> None:
    turned = program.output().count(_TURNED)
    os.kill(program.pid, _SIGNAL)
    program.until(lambda: program.output().count(_TURNED) > turned)
