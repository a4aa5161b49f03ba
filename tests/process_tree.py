"""A process and all that it has started, and what they have started."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def kill_tree(pid: int) -> None:
    """Kill all of it outright. Each is stopped before its children are looked up, so that none is started meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        begun = children(pid)
        os.kill(pid, signal.SIGKILL)
        for child in begun:
            kill_tree(child)
