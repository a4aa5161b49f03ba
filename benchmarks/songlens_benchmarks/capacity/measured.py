"""The measured figures that a plan is made of, and the row of a results file that each comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from songlens_benchmarks.results import Result
from songlens_shared.errors import DataError


@dataclass(frozen=True)
class Source:
    """Where a figure is found."""

    benchmark: str
    what: str
    of: Literal["value", "baseline"] = "value"


_REQUEST_US = "processor time a request, Songlens, no device: "
SOURCES = {
    "vgg19_whole": Source("system", "whole system, vgg19"),
    "vgg19_bare": Source("system", "whole system, vgg19", "baseline"),
    "lite2_whole": Source("system", "whole system, efficientnet_lite2"),
    "bf16_8": Source("forward", "VGG-19 bf16, batch 8"),
    "bf16_32": Source("forward", "VGG-19 bf16, batch 32"),
    "int8_8": Source("forward", "VGG-19 int8, batch 8"),
    "int8_32": Source("forward", "VGG-19 int8, batch 32"),
    "search_8": Source("search", "exact, flat16, batch 8"),
    "search_32": Source("search", "exact, flat16, batch 32"),
    "decode": Source("decode", "JPEG, 500 x 375"),
    "ranked": Source("songs", "songs for 5 images a request, batch 8"),
    "client_us": Source("overhead", _REQUEST_US + "client"),
    "vision_us": Source("overhead", _REQUEST_US + "vision"),
    "songs_us": Source("overhead", _REQUEST_US + "songs"),
    "server_us": Source("overhead", _REQUEST_US + "server"),
    "most": Source("scaling", "no device, 1 vision worker, 1 of songs, 1 partition"),
    "small_us": Source("footprint", "server's processor time, a request with a photo of 1 KB"),
    "large_us": Source("footprint", "server's processor time, a request with a photo of 1 KB", "baseline"),
    "idle_worker_us": Source("footprint", "server's processor time, an idle worker, each second"),
    "large_waits_bytes": Source("footprint", "memory: a request that waits, its photo of 100 KB"),
    "small_waits_bytes": Source("footprint", "memory: a request that waits, its photo of 1 KB"),
    "note_bytes": Source("footprint", "memory: the note of a request under its user"),
    "result_bytes": Source("footprint", "memory: a reply under its request's id"),
    "channel_bytes": Source("footprint", "memory: a reply in its client's channel"),
    "image_bytes": Source("footprint", "memory: an image of a model version: its NE vector"),
    "song_bytes": Source("footprint", "memory: a song of a model version: NE vector and card"),
    "in_bytes": Source("footprint", "into the server, a request with a photo of 100 KB"),
    "out_bytes": Source("footprint", "out of it, a request with a photo of 100 KB"),
    "file_bytes": Source("footprint", "into its file, a request with a photo of 100 KB"),
    "connections": Source("footprint", "connections of a worker"),
    "connections_bytes": Source("footprint", "memory: a worker's connections"),
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Rates a second, microseconds of processor time, and bytes, each of one."""

    cores: float
    """Of the machine on which images a second were measured; a vision worker has all of them."""

    vgg19_whole: float
    vgg19_bare: float
    lite2_whole: float
    bf16_8: float
    bf16_32: float
    int8_8: float
    int8_32: float
    search_8: float
    search_32: float
    decode: float
    ranked: float
    client_us: float
    vision_us: float
    songs_us: float
    server_us: float
    most: float
    """Requests a second that have been through one server at most."""

    small_us: float
    large_us: float
    idle_worker_us: float
    large_waits_bytes: float
    small_waits_bytes: float
    note_bytes: float
    result_bytes: float
    channel_bytes: float
    image_bytes: float
    song_bytes: float
    in_bytes: float
    out_bytes: float
    file_bytes: float
    connections: float
    connections_bytes: float

    @classmethod
    def of(cls, results: Sequence[Result]) -> Self:
        """Take the figures from results; raises `DataError` that names the benchmarks of those that are missing."""
        known = {(result.benchmark, result.row.what) for result in results}
        missing = sorted({s.benchmark for s in SOURCES.values() if (s.benchmark, s.what) not in known})
        if missing:
            raise DataError(
                f"the results lack figures of {', '.join(missing)}; measure them: "
                f"`songlens bench run {' '.join(missing)} --out FILE`."
            )
        return cls(cores=_cores(results), **{name: found_in(results, source)[1] for name, source in SOURCES.items()})


def found_in(results: Iterable[Result], source: Source) -> tuple[Result, float]:
    """Return the row that a figure comes from, and the figure; raises `DataError` where it is not there."""
    for result in results:
        if (result.benchmark, result.row.what) == (source.benchmark, source.what):
            reference = result.row.baseline
            if source.of == "value":
                return result, result.row.value
            if reference is not None:
                return result, reference.value
    raise DataError(f"the results lack {source.benchmark}: {source.what} ({source.of}).")


def _cores(results: Iterable[Result]) -> float:
    """Return the cores of the machine that the vision stage and the song stage were measured on."""
    stages = ("system", "forward", "songs")
    cores = {float(result.about["machine"]["cores"]) for result in results if result.benchmark in stages}
    if len(cores) != 1:
        raise DataError("figures of vision and song stage come from machines of different sizes; give those of one.")
    return cores.pop()
