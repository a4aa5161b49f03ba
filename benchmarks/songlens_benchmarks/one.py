"""Runs one benchmark in this process, and prints each row as a line of JSON: python -m songlens_benchmarks.one NAME."""

from __future__ import annotations

import argparse
import gc
import json

from songlens_benchmarks.catalogue import BENCHMARKS, benchmark
from songlens_benchmarks.leaving import leaving_by_signals
from songlens_benchmarks.row import Effort


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--rounds", type=int, default=Effort.rounds)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    measured = benchmark(given.name)
    # This process is the client of many: it stood still for 39 ms to look through all modules that were imported here.
    gc.freeze()
    with leaving_by_signals():
        for row in measured.run(Effort(rounds=given.rounds, quick=given.quick)):
            print(json.dumps(row.to_dict(), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
