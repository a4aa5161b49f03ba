"""Collects images from a test's site, in this process or in one that the test may kill."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from songlens_training.collect.collect import collect
from songlens_training.collect.openverse import OpenverseOptions
from songlens_training.collect.options import CollectOptions
from songlens_training.collect.politeness import Politeness
from songlens_training.collect.report import Report
from songlens_training.collect.retry import RetryPolicy
from songlens_training.collect.web import WebOptions
from songlens_training.progress import silent


def run(address: str, out: Path, per_keyword: int, keywords: list[str]) -> Report:
    """Collect by searching the site at `address`, without pauses and at the first attempt."""
    options = CollectOptions(
        keywords=tuple(keywords),
        per_keyword=per_keyword,
        openverse=OpenverseOptions(base_url=address, interval_s=0.0),
        web=WebOptions(
            politeness=Politeness(interval_s=0.0),
            retry=RetryPolicy(attempts=1),
            allow_private=frozenset({"127.0.0.1"}),
        ),
    )
    return asyncio.run(collect(out, options, silent))


def start(address: str, out: Path, per_keyword: int, keywords: list[str]) -> subprocess.Popen[bytes]:
    """Do the same in a process of its own."""
    command = [sys.executable, __file__, address, str(out), str(per_keyword), *keywords]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    # A shell starts what runs in its background with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
