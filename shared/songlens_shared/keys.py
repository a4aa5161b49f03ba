"""Every Redis key, stream, group, channel and retention time. A literal key anywhere else is a mistake.

All keys of one request carry the same hash tag `{P}`, so that each step is one atomic function call, on a
single server and on Redis Cluster alike (redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec).
"""

from __future__ import annotations

import binascii
import hashlib
import zlib
from dataclasses import dataclass

NAMESPACE = "sl"

INTERACTIVE = "interactive"
BULK = "bulk"
LANES = (INTERACTIVE, BULK)

VISION_GROUP = "vision"
SONGS_GROUP = "songs"

RESULT_TTL_S = 3600
"""How long a reply can be fetched by request id."""

FEATURES_TTL_S = 60
"""The same for a reply with features: sixteen kilobytes that somebody waits for and takes away."""

REPLIES_TTL_S = 24 * 3600
"""How long a reply is kept in its channel; those that are older go when the next one comes, the last with the key."""

REPLIES_MAX_LENGTH = 10_000
"""A reply channel is trimmed to about this many replies."""

NOTICE = b""
"""What a reply channel holds instead of a reply that is to be taken from its result."""

DEAD_MAX_LENGTH = 10_000
"""The dead-letter stream is trimmed to about this many entries."""

DEAD_TTL_S = 24 * 3600
"""How long a dead letter is kept, unless the workers are set otherwise."""

BUCKET_ENTRIES = 1000
"""Model hashes are split so that one holds about this many vectors or song cards."""

MODEL_CURRENT = f"{NAMESPACE}:model:current"
MODEL_PREVIOUS = f"{NAMESPACE}:model:previous"
MODEL_VERSIONS = f"{NAMESPACE}:model:versions"

USERS_FORGOTTEN = f"{NAMESPACE}:users:forgotten"
"""Set of `user_digest`s: whom no version that is published from now on may hold."""

USERS_FORGETS = f"{NAMESPACE}:users:forgets"
"""Counter that grows with each user that is forgotten; song workers that see it change drop the users they hold."""

EVERY_REPLIES = f"{NAMESPACE}:{{*}}:replies:*"
"""Pattern of the reply channels of every client, in every partition."""

EVERY_USER_VECTORS = f"{NAMESPACE}:model:*:ne:users:*"
"""Pattern of the user vectors of every version, also of one whose publishing broke off."""

WORKERS = f"{NAMESPACE}:workers"
"""Hash: `STAGE CONSUMER` -> JSON of what the worker tells of itself, for `songlens top`."""

BATCHES = f"{NAMESPACE}:batches"
"""Sorted set: the batches that Redis remembers, by the ms at which they were submitted."""

JOB_SECONDS = f"{NAMESPACE}:batch:job-seconds"
"""Hash: `KIND OUTCOME BOUND` -> jobs that took so long, and `KIND OUTCOME sum` -> their seconds."""

BATCH_TTL_S = 30 * 24 * 3600
"""How long Redis remembers a batch after its last step; its folder holds all that matters."""

LIBRARY = "songlens"
"""The name of the Redis Functions library in functions.lua."""


def partition_of(request_id: str, partitions: int) -> int:
    """Return the partition of a request: crc16(id) mod partitions (the CRC of Redis Cluster, XMODEM)."""
    return binascii.crc_hqx(request_id.encode(), 0) % partitions


def stream_name(stream: str) -> str:
    """Return the name of a partition's stream without the partition, such as `requests:bulk` or `hits`."""
    return stream.split(":", 2)[2]


def user_digest(user_id: str) -> str:
    """Return what stands for a user where the id itself must not stand: 32 hex digits of its SHA-256."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class PartitionKeys:
    """The keys of one partition."""

    partition: int = 0

    def _key(self, *parts: str) -> str:
        return ":".join((NAMESPACE, f"{{{self.partition}}}", *parts))

    def requests(self, lane: str) -> str:
        """Stream of requests in one lane; consumer group `vision`."""
        return self._key("requests", lane)

    def lane_of(self, stream: str) -> str:
        """Return the lane of what lies in a stream; hits bear none, and count as interactive."""
        return BULK if stream == self.requests(BULK) else INTERACTIVE

    @property
    def hits(self) -> str:
        """Stream of retrieved images; consumer group `songs`."""
        return self._key("hits")

    @property
    def dead(self) -> str:
        """Stream of dead letters, trimmed."""
        return self._key("dead")

    @property
    def trimmed(self) -> str:
        """Counter of replies that full reply channels lost before their time, read or not."""
        return self._key("trimmed")

    @property
    def limits(self) -> str:
        """Hash of the lanes' depth and byte limits, read by the submit function."""
        return self._key("limits")

    def result(self, request_id: str) -> str:
        """String: empty while the request is in flight, then its reply."""
        return self._key("result", request_id)

    def place(self, request_id: str) -> str:
        """String: the stream and entry in which a request lies while it is in flight."""
        return self._key("place", request_id)

    def replies(self, client: str) -> str:
        """Stream of replies to one client, trimmed; read from a saved cursor."""
        return self._key("replies", client)

    def user(self, user_id: str) -> str:
        """Sorted set: `REQUEST_ID CLIENT` of a user's requests, by the server ms at which nothing of them is kept."""
        return self._key("user", user_digest(user_id))

    def reply_channel(self, client: str) -> str:
        """Sharded pub/sub channel with the same replies; a wake-up, not the guarantee."""
        return self._key("reply", client)

    @staticmethod
    def bytes_of(stream: str) -> str:
        """Counter of payload bytes that wait or are in flight in a stream."""
        return f"{stream}:bytes"


@dataclass(frozen=True)
class BatchKeys:
    """The keys of one batch, in the Redis of the jobs."""

    batch: str

    def _key(self, *parts: str) -> str:
        return ":".join((NAMESPACE, "batch", self.batch, *parts))

    @property
    def state(self) -> str:
        """Hash: out, source, state, why, shards, images, submitted_ms, begun_ms, ended_ms, changes."""
        return self._key("state")

    @property
    def shards(self) -> str:
        """Hash of shard number -> JSON of how far it is."""
        return self._key("shards")


@dataclass(frozen=True)
class ModelKeys:
    """The keys of one published model version."""

    version: str

    def _key(self, *parts: str) -> str:
        return ":".join((NAMESPACE, "model", self.version, *parts))

    @property
    def manifest(self) -> str:
        """String: the manifest, JSON."""
        return self._key("manifest")

    def image_vectors(self, bucket: int) -> str:
        """Hash of image id -> float32 little-endian NE vector."""
        return self._key("ne", "images", str(bucket))

    def song_vectors(self, bucket: int) -> str:
        """Hash of song id -> float32 little-endian NE vector."""
        return self._key("ne", "songs", str(bucket))

    def user_vectors(self, bucket: int) -> str:
        """Hash of user id -> float32 little-endian NE vector; none where the version knows no user."""
        return self._key("ne", "users", str(bucket))

    def song_cards(self, bucket: int) -> str:
        """Hash of song id -> msgpack song card."""
        return self._key("songs", str(bucket))


def bucket_count(entries: int) -> int:
    """Return how many hashes `entries` vectors or cards are spread over."""
    return max(1, -(-entries // BUCKET_ENTRIES))


def bucket_of(key: str, buckets: int) -> int:
    """Return the bucket of an image, song or user id: crc32(id) mod buckets."""
    return zlib.crc32(key.encode()) % buckets
