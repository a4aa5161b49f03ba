"""The two Redises of a job: that of the jobs, and that of the queue. By default they are one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from songlens_shared.broker import broker_errors, connect, open_redis
from songlens_shared.errors import BrokerUnsuitable


@contextmanager
def jobs_redis(url: str) -> Iterator[redis.Redis]:
    """Give the Redis that holds the jobs; raises `BrokerUnsuitable` for a cluster, on which RQ does not run."""
    with broker_errors(url), connect(url) as connection:
        if connection.info("cluster").get("cluster_enabled"):
            raise BrokerUnsuitable(
                "jobs need a Redis of their own where the queue is on a cluster: give its address in "
                "SONGLENS_JOBS_REDIS_URL or --jobs-redis."
            )
        yield connection


@contextmanager
def queue_redis(url: str) -> Iterator[redis.Redis]:
    """Give the Redis, or the cluster, of the queue."""
    with broker_errors(url), open_redis(url) as connection:
        yield connection
