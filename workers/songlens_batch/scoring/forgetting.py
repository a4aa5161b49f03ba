"""What a finished shard leaves in Redis is of no more use: its replies are in the folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import redis

from songlens_shared.keys import PartitionKeys, partition_of

_AT_ONCE = 1000


def forget(connection: redis.Redis, request_ids: Sequence[str], client: str, partitions: int) -> None:
    """Remove the replies of these requests, and the reply channel of their client.

    A million photos leave some gigabytes otherwise, for an hour by id and for a day in the channel. Nobody can answer
    such a request again: what ended it took its entry with it.
    """
    remaining = iter(request_ids)
    while ids := list(islice(remaining, _AT_ONCE)):
        pipeline = connection.pipeline(transaction=False)
        for request_id in ids:
            pipeline.unlink(PartitionKeys(partition_of(request_id, partitions)).result(request_id))
        pipeline.execute()
    for partition in range(partitions):
        connection.unlink(PartitionKeys(partition).replies(client))
