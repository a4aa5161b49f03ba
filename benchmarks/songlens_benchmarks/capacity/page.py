"""ops/capacity.md: page.md beside this file, with its numbers and tables filled in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files

from songlens_benchmarks.capacity.measured import SOURCES, Measured, found_in
from songlens_benchmarks.capacity.plan import (
    CLIENT_CONNECTIONS,
    LITE2,
    RANKED_SONGS,
    VGG19_FP32,
    VGG19_INT8,
    Demand,
    Plan,
    plan,
    server_us,
    song_rate,
    vision_rate,
    vision_rates,
)
from songlens_benchmarks.capacity.spread import MOST_PARTITIONS
from songlens_benchmarks.payloads import PAYLOAD_BYTES
from songlens_benchmarks.results import Result
from songlens_benchmarks.table import figure
from songlens_shared.keys import REPLIES_MAX_LENGTH, RESULT_TTL_S
from songlens_training.model.publish import KEPT_VERSIONS
from songlens_workers.settings import VisionSettings

RATES = (10, 100, 1000, 3000, 10_000)
SMALL_PHOTO_BYTES = 25_000
EXAMPLE = Demand(images_per_s=1000, photo_bytes=SMALL_PHOTO_BYTES, vision=VGG19_INT8)

_QUEUE_COLUMNS = (
    "images/s",
    "servers (equal slots)",
    "maxmemory, GB",
    "in, MB/s",
    "out, MB/s",
    "file, MB/s",
    "disk, GB",
    "connections",
    "lane depth",
    "lane, GB",
)
_GB, _MB = 1e9, 1e6


def page(results: Sequence[Result]) -> str:
    """Return Markdown; raises `DataError` where a figure is missing."""
    measured = Measured.of(results)
    template = files("songlens_benchmarks.capacity").joinpath("page.md").read_text(encoding="utf-8")
    tables = {"workers": _workers(measured), "redis": _redis(measured), "figures": _figures(results)}
    return template.format(**_assumed(measured), **_example(measured), **_limits(measured), **tables)


def _assumed(measured: Measured) -> dict[str, object]:
    fields = VisionSettings.model_fields
    return {
        "cores": f"{measured.cores:g}",
        "utilisation": f"{Demand.utilisation:.0%}",
        "backlog_s": f"{Demand.backlog_s:g}",
        "songs": f"{Demand.songs:,}",
        "images": f"{Demand.images:,}",
        "decode": figure(measured.decode),
        "bulk_depth": f"{fields['bulk_depth'].default:,}",
        "bulk_gib": f"{fields['bulk_bytes'].default / 2**30:g}",
        "rates": ", ".join(f"{kind}: {figure(rate)}" for kind, rate in vision_rates(measured).items()),
        "ranked_songs": f"{RANKED_SONGS:,}",
        "result_s": f"{RESULT_TTL_S:,}",
        "channel_length": f"{REPLIES_MAX_LENGTH:,}",
        "versions": KEPT_VERSIONS + 1,
        "client_connections": CLIENT_CONNECTIONS,
        "most_partitions": MOST_PARTITIONS,
    }


def _limits(measured: Measured) -> dict[str, object]:
    few, many = (plan(Demand(images_per_s=max(RATES), vision=kind), measured) for kind in (VGG19_INT8, VGG19_FP32))
    return {
        "too_many": f"{many.workers:,}",
        "too_busy": f"{many.workers * measured.idle_worker_us / 1e6:.0%}",
        "fewer": f"{few.vision_workers:,}",
        "faster": VGG19_INT8,
        "most_measured": figure(measured.most),
    }


def _example(measured: Measured) -> dict[str, object]:
    made, per_worker = plan(EXAMPLE, measured), vision_rate(EXAMPLE, measured)
    of_users = plan(replace(EXAMPLE, users_share=1.0), measured)
    held = (f"{name} {figure(taken / _GB)} GB" for name, taken in made.memory.items() if taken >= _MB)
    return {
        "example_rate": f"{EXAMPLE.images_per_s:,.0f}",
        "example_kb": f"{EXAMPLE.photo_bytes / 1000:g}",
        "per_worker": figure(per_worker),
        "per_worker_used": figure(per_worker * EXAMPLE.utilisation),
        "vision_workers": made.vision_workers,
        "vision_cores": f"{made.vision_workers * measured.cores:g}",
        "per_song": figure(song_rate(EXAMPLE, measured)),
        "song_workers": made.song_workers,
        "client_us": figure(measured.client_us),
        "client_processes": made.client_processes,
        "server_us": figure(server_us(EXAMPLE, measured)),
        "server_rate": figure(made.server_rate),
        "servers": made.servers,
        "memory": ", ".join(held),
        "memory_gb": figure(made.memory_bytes / _GB),
        "maxmemory_gb": f"{made.maxmemory_bytes / _GB:.0f}",
        "users_gb": f"{of_users.maxmemory_bytes / _GB:.0f}",
        "in_mbit": figure(made.in_bytes_per_s * 8 / _MB),
        "out_mbit": figure(made.out_bytes_per_s * 8 / _MB),
        "file_mb": figure(made.file_bytes_per_s / _MB),
        "disk_gb": figure(made.disk_bytes / _GB),
        "lane_depth": made.lane_depth,
        "lane_bytes": made.lane_bytes,
        "connections": made.connections,
    }


def _workers(measured: Measured) -> str:
    kinds = (VGG19_FP32, VGG19_INT8, LITE2)
    titles = ("images/s", *(f"vision: {kind}" for kind in kinds), "song workers", "client processes")
    rows = []
    for rate in RATES:
        plans = [plan(Demand(images_per_s=rate, vision=kind), measured) for kind in kinds]
        counts = (*(made.vision_workers for made in plans), plans[0].song_workers, plans[0].client_processes)
        rows.append([f"{count:,}" for count in (rate, *counts)])
    return _table(titles, rows)


def _redis(measured: Measured) -> str:
    parts = []
    for photo_bytes in (PAYLOAD_BYTES, SMALL_PHOTO_BYTES):
        for kind in (VGG19_INT8, VGG19_FP32):
            plans = [plan(Demand(images_per_s=r, photo_bytes=photo_bytes, vision=kind), measured) for r in RATES]
            title = f"Photos of {photo_bytes // 1000} KB, workers with {kind}:"
            parts += [title, _table(_QUEUE_COLUMNS, map(_cells, plans))]
    return "\n\n".join(parts)


def _cells(made: Plan) -> tuple[str, ...]:
    rate = f"{made.demand.images_per_s:,.0f}"
    if made.servers is None:
        return (rate, *("—" for _ in _QUEUE_COLUMNS[1:]))
    equal = "" if made.servers == 1 else f" ({made.equal_slots.servers if made.equal_slots else '—'})"
    passing = (made.in_bytes_per_s, made.out_bytes_per_s, made.file_bytes_per_s)
    return (
        rate,
        f"{made.servers}{equal}",
        figure(made.maxmemory_bytes / _GB),
        *(figure(made.of_each_server(passing_by) / _MB) for passing_by in passing),
        figure(made.disk_bytes / _GB),
        f"{made.connections:,}",
        f"{made.lane_depth:,}",
        figure(made.lane_bytes / _GB),
    )


def _figures(results: Sequence[Result]) -> str:
    rows = []
    for name, source in SOURCES.items():
        result, value = found_in(results, source)
        where = f"{source.benchmark}: {source.what}" + ("" if source.of == "value" else ", its baseline")
        machine = result.about["machine"]
        on = f"{machine['processor']}, {machine['cores']} cores"
        rows.append((name, f"{figure(value)} {result.row.unit}", where, result.commit, result.about["date"][:10], on))
    return _table(("figure", "measured", "row of `songlens bench`", "commit", "date", "machine"), rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
