"""The arithmetic of a plan: what is asked for and what was measured in, workers, servers, bytes out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from songlens_benchmarks.capacity.measured import Measured
from songlens_benchmarks.capacity.spread import LEAST_SERVERS, MOST_PARTITIONS, Spread, least_spread
from songlens_benchmarks.payloads import PAYLOAD_BYTES
from songlens_shared.errors import ConfigError
from songlens_shared.keys import REPLIES_MAX_LENGTH, REPLIES_TTL_S, RESULT_TTL_S
from songlens_training.model.publish import KEPT_VERSIONS

VGG19_FP32, VGG19_BF16, VGG19_INT8 = "VGG-19, fp32", "VGG-19, bf16", "VGG-19, int8"
LITE2 = "EfficientNet-Lite2, fp32"
OWN = "as given"
"""A vision worker whose images a second were given by whoever asks."""

RANKED_SONGS = 62_316
"""Songs that the song stage was measured with; ranking reads all of them, and takes as long as there are many."""

_SMALL_BYTES = 1000
_REWRITE_BYTES = 2**30
"""`auto-aof-rewrite-min-size` of ops/redis/redis.conf."""

_US = 1e6


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What is asked for. Raises `ConfigError` for what cannot be."""

    images_per_s: float
    photo_bytes: int = PAYLOAD_BYTES
    """In the queue: as the app sends it."""

    backlog_s: float = 60.0
    """How long the queue shall hold what comes in while no vision worker takes anything."""

    users_share: float = 0.0
    """Share of requests that name a user."""

    songs: int = RANKED_SONGS
    images: int = 33_459
    utilisation: float = 0.7
    """How busy workers, servers and memory may be."""

    vision: str = VGG19_FP32
    vision_images_per_s: float | None = None
    """Of one vision worker, measured elsewhere: of one with a GPU, by `songlens bench run gpu`."""

    def __post_init__(self) -> None:
        least = {"images_per_s": 0, "photo_bytes": 0, "backlog_s": 0, "utilisation": 0}
        if any(getattr(self, name) <= bound for name, bound in least.items()) or self.utilisation > 1:
            raise ConfigError(
                "images a second, bytes of a photo and seconds of backlog are above 0; utilisation up to 1."
            )
        if not 0 <= self.users_share <= 1 or self.songs < 1 or self.images < 1:
            raise ConfigError("the share of users is from 0 to 1; a catalogue has songs and images.")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What it takes. Bytes and rates are of all servers together, unless they say otherwise."""

    demand: Demand
    vision_workers: int
    song_workers: int
    client_processes: int
    server_rate: float
    """Requests a second that one server bears beside workers that look for work; 0 where they keep it busy alone."""

    servers: int | None
    """Of Redis, each with as many partitions as any other. None where no number will do."""

    equal_slots: Spread | None
    """The same where each server has as many slots as any other: partitions lie where chance puts them."""

    memory: Mapping[str, float] = field(default_factory=dict)
    """Bytes by what they are for."""

    in_bytes_per_s: float
    out_bytes_per_s: float
    file_bytes_per_s: float
    connections: int
    """To each server."""

    @property
    def workers(self) -> int:
        """Of both stages."""
        return self.vision_workers + self.song_workers

    @property
    def memory_bytes(self) -> float:
        """What all servers hold at most."""
        return sum(self.memory.values())

    def of_each_server(self, total: float) -> float:
        """Return the part of one server."""
        return total / (self.servers or 1)

    @property
    def maxmemory_bytes(self) -> float:
        """Of each server, with room to spare."""
        return self.of_each_server(self.memory_bytes) / self.demand.utilisation

    @property
    def disk_bytes(self) -> float:
        """Of each server: the file grows to twice what it was, or to 1 GB, while a new one is written beside it."""
        held = self.of_each_server(self.memory_bytes)
        return max(2 * held, _REWRITE_BYTES) + held

    @property
    def lane_depth(self) -> int:
        """The lane's limit of requests, with a partition on each server."""
        return ceil(self.demand.images_per_s * self.demand.backlog_s / (self.servers or 1))

    @property
    def lane_bytes(self) -> int:
        """The lane's limit of bytes."""
        return self.lane_depth * self.demand.photo_bytes


def plan(demand: Demand, measured: Measured) -> Plan:
    """Return what a demand takes by what was measured."""
    rate, spare = demand.images_per_s, demand.utilisation
    vision = ceil(rate / (vision_rate(demand, measured) * spare))
    songs = ceil(rate / (song_rate(demand, measured) * spare))
    clients = ceil(rate * measured.client_us / _US / spare)
    workers = vision + songs
    server_rate = max(0.0, spare - workers * measured.idle_worker_us / _US) * _US / server_us(demand, measured)
    return Plan(
        demand=demand,
        vision_workers=vision,
        song_workers=songs,
        client_processes=clients,
        server_rate=server_rate,
        servers=_servers(rate, server_rate),
        equal_slots=least_spread(server_rate / rate),
        memory=_memory(demand, measured, clients=clients, workers=workers),
        in_bytes_per_s=rate * _carried(measured.in_bytes, demand),
        out_bytes_per_s=rate * _carried(measured.out_bytes, demand),
        file_bytes_per_s=rate * _carried(measured.file_bytes, demand),
        connections=ceil(workers * measured.connections) + clients * CLIENT_CONNECTIONS,
    )


def _servers(rate: float, server_rate: float) -> int | None:
    if server_rate <= 0 or rate / server_rate > MOST_PARTITIONS:
        return None
    servers = ceil(rate / server_rate)
    return servers if servers == 1 else max(LEAST_SERVERS, servers)


CLIENT_CONNECTIONS = 32
"""Of a client process at most: the size of its pool."""


def vision_rates(measured: Measured) -> dict[str, float]:
    """Return the images a second of one vision worker that has all cores of the machine that was measured.

    Measured in the whole system where that was done. Else forward pass and search one after the other in batches of 8
    or 32, whichever is slower, then decoding and the queue's work on all cores, and less what the whole system loses of
    its forward loop with VGG-19 in fp32.
    """
    return {
        VGG19_FP32: measured.vgg19_whole,
        VGG19_BF16: _reckoned(measured, (measured.bf16_8, measured.bf16_32)),
        VGG19_INT8: _reckoned(measured, (measured.int8_8, measured.int8_32)),
        LITE2: measured.lite2_whole,
    }


def _reckoned(measured: Measured, forward: tuple[float, float]) -> float:
    searched = (measured.search_8, measured.search_32)
    batch_s = max(
        1 / forward_rate + 1 / search_rate for forward_rate, search_rate in zip(forward, searched, strict=True)
    )
    beside_s = (1 / measured.decode + measured.vision_us / _US) / measured.cores
    return measured.vgg19_whole / measured.vgg19_bare / (batch_s + beside_s)


def vision_rate(demand: Demand, measured: Measured) -> float:
    """Return the images a second of the vision worker that is asked for."""
    if demand.vision_images_per_s is not None:
        return demand.vision_images_per_s
    rates = vision_rates(measured)
    if demand.vision not in rates:
        raise ConfigError(f"there is no figure of {demand.vision!r}; use one of {', '.join(rates)}.")
    return rates[demand.vision]


def song_rate(demand: Demand, measured: Measured) -> float:
    """Return the requests a second of one song worker, which has one core for ranking and for the queue's work."""
    ranking_s = measured.cores / measured.ranked * demand.songs / RANKED_SONGS
    return 1 / (ranking_s + measured.songs_us / _US)


def server_us(demand: Demand, measured: Measured) -> float:
    """Return the server's processor time for a request: as measured with 100 KB, scaled to the photo's size."""
    return measured.server_us * _between(demand.photo_bytes, measured.small_us, measured.large_us) / measured.large_us


def _between(photo_bytes: int, small: float, large: float) -> float:
    """Return what lies on the line through a photo of 1 KB and one of 100 KB."""
    return small + (large - small) * (photo_bytes - _SMALL_BYTES) / (PAYLOAD_BYTES - _SMALL_BYTES)


def _carried(with_large: float, demand: Demand) -> float:
    """Return the bytes of a request with another photo than that of 100 KB."""
    return with_large - PAYLOAD_BYTES + demand.photo_bytes


def _memory(demand: Demand, measured: Measured, *, clients: int, workers: int) -> dict[str, float]:
    rate = demand.images_per_s
    waits_bytes = _between(demand.photo_bytes, measured.small_waits_bytes, measured.large_waits_bytes)
    channels = clients * min(REPLIES_MAX_LENGTH, rate * REPLIES_TTL_S / clients)
    noted_s = demand.backlog_s + RESULT_TTL_S + REPLIES_TTL_S
    version_bytes = demand.images * measured.image_bytes + demand.songs * measured.song_bytes
    return {
        "queue": rate * demand.backlog_s * waits_bytes,
        "replies by id": rate * RESULT_TTL_S * measured.result_bytes,
        "reply channels": channels * measured.channel_bytes,
        "requests of users": demand.users_share * rate * noted_s * measured.note_bytes,
        "model versions": (KEPT_VERSIONS + 1) * version_bytes,
        "connections": workers * measured.connections_bytes,
    }
