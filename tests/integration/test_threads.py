"""A worker's threads take no core from others while they wait, and no more of them are made than were asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from songlens_shared.errors import BrokerUnavailable
from songlens_workers.settings import SongsSettings, VisionSettings
from songlens_workers.songs import worker as songs_worker
from songlens_workers.threads import bound_products
from songlens_workers.vision import worker as vision_worker

LOAD = "from songlens_workers.vision.registry import load_backbone; load_backbone('tiny')"
WORKER = ["-m", "songlens", "worker", "vision", "--redis", "redis://127.0.0.1:1", "--set", "start_wait_s=0"]

openmp_tells = pytest.mark.skipif(
    sys.platform != "linux", reason="only GNU's OpenMP, which torch brings on Linux, tells how its threads wait"
)


def policies(arguments: list[str], **environment: str) -> set[str]:
    """Return how the threads of each OpenMP library wait that a Python with these arguments loads."""
    told = subprocess.run(
        [sys.executable, *arguments],
        env={**{name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}, **environment}
        | {"OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    ).stderr
    return {line.split("'")[1] for line in told.splitlines() if "OMP_WAIT_POLICY" in line}


@openmp_tells
@pytest.mark.parametrize("arguments", [["-c", LOAD], WORKER], ids=["backbone", "worker"])
def test_waiting_threads_sleep(arguments: list[str]) -> None:
    """Whatever OpenMP is loaded, torch's or FAISS's: its threads do not spin."""
    assert policies(arguments) == {"PASSIVE"}


@openmp_tells
def test_who_has_set_the_environment_is_obeyed() -> None:
    """A machine that does nothing else may let them spin."""
    assert policies(["-c", LOAD], OMP_WAIT_POLICY="ACTIVE") == {"ACTIVE"}


def product_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def pools_as_before() -> Iterator[None]:
    with threadpool_limits():
        yield


@pytest.mark.usefixtures("pools_as_before")
def test_products_are_bound() -> None:
    """NumPy's matrix products have as many threads as is said."""
    np.ones((2, 2)) @ np.ones((2, 2))  # the library is there
    for threads in (1, 2):
        bound_products(threads)
        assert product_threads() == {threads}


@pytest.mark.usefixtures("pools_as_before")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_makes_as_many_as_it_is_set_to(threads: int) -> None:
    """Both stages, before they look for a server; a song worker that is set to nothing makes one."""
    nowhere = {"redis_url": "redis://127.0.0.1:1", "start_wait_s": 0}
    bound_products(3 - threads)
    with pytest.raises(BrokerUnavailable):
        vision_worker.run(VisionSettings(**nowhere, threads=threads))
    assert product_threads() == {threads}
    bound_products(3 - threads)
    with pytest.raises(BrokerUnavailable):
        songs_worker.run(SongsSettings(**nowhere, **({} if threads == 1 else {"ranking_threads": threads})))
    assert product_threads() == {threads}
