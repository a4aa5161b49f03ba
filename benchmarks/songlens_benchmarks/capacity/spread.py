"""Which partitions lie on which server of a Redis Cluster: how many servers, and how many partitions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from redis.crc import key_slot

from songlens_shared.keys import PartitionKeys

SLOTS = 16_384
LEAST_SERVERS = 3
"""A Redis Cluster has at least three primaries."""

MOST_SERVERS = 128
MOST_PARTITIONS = 32
"""As many as an idle worker waits for; each claim asks all of them, so that more are not for free."""


@dataclass(frozen=True)
class Spread:
    """Servers of a queue and its partitions."""

    servers: int
    partitions: int
    busiest: float
    """The share of all requests that the busiest server has."""


def spread(servers: int, partitions: int) -> Spread:
    """Return how partitions lie on servers that have equal, consecutive ranges of slots, as redis-cli gives them."""
    lying = Counter(_slot(partition) * servers // SLOTS for partition in range(partitions))
    return Spread(servers, partitions, max(lying.values()) / partitions)


@cache
def _slot(partition: int) -> int:
    return key_slot(PartitionKeys(partition).hits.encode())


def least_spread(most_share: float) -> Spread | None:
    """Return the fewest servers of which none has more than this share of all requests, with their best partitions.

    None where no number of servers will do.
    """
    if most_share >= 1:
        return Spread(1, 1, 1.0)
    for servers in range(LEAST_SERVERS, MOST_SERVERS + 1):
        found = _best_spread(servers)
        if found.busiest <= most_share:
            return found
    return None


@cache
def _best_spread(servers: int) -> Spread:
    found = (spread(servers, partitions) for partitions in range(1, MOST_PARTITIONS + 1))
    return min(found, key=lambda each: (each.busiest, each.partitions))
