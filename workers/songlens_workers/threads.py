"""Threads of matrix products: how many there are, and how they wait for each other.

On a machine that is shared, a thread that spins while it waits takes its core from whoever it waits for.
"""

from __future__ import annotations

import os

from threadpoolctl import threadpool_limits

_OPENMP_WAIT = "OMP_WAIT_POLICY"


def bound_products(threads: int) -> None:
    """Bound the threads of NumPy's matrix products in this process, whichever library makes them."""
    threadpool_limits(threads, user_api="blas")


def sleep_while_waiting() -> None:
    """Have OpenMP's threads sleep while they wait, unless the environment says otherwise (OpenMP: OMP_WAIT_POLICY).

    OpenMP reads this once, when a library first loads it: call this before torch is imported.
    """
    os.environ.setdefault(_OPENMP_WAIT, "PASSIVE")
