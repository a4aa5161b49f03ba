"""A plan as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from songlens_benchmarks.capacity.plan import OWN, Plan
from songlens_benchmarks.table import figure


def lines(made: Plan) -> Iterator[tuple[str, str]]:
    """Yield what is needed, and how much of it."""
    demand = made.demand
    kind = OWN if demand.vision_images_per_s is not None else demand.vision
    yield "vision workers", f"{made.vision_workers:,} ({kind})"
    yield "song workers", f"{made.song_workers:,}"
    yield "client processes", f"{made.client_processes:,}"
    if made.servers is None:
        yield "Redis servers", "one queue does not do it: use faster workers, or several queues"
        return
    equal = made.equal_slots.servers if made.equal_slots else "no number"
    yield "Redis servers", f"{made.servers}, a partition on each; {equal} of equal slots"
    yield "memory", ", ".join(f"{name} {figure(held / 1e9)} GB" for name, held in made.memory.items())
    yield "maxmemory of each", f"{figure(made.maxmemory_bytes / 1e9)} GB"
    passing = {"in": made.in_bytes_per_s, "out": made.out_bytes_per_s, "file": made.file_bytes_per_s}
    each = ", ".join(f"{name} {figure(made.of_each_server(rate) / 1e6)} MB/s" for name, rate in passing.items())
    yield "through each", each
    yield "disk of each", f"{figure(made.disk_bytes / 1e9)} GB"
    yield "connections to each", f"{made.connections:,}"
    lane = f"{made.lane_depth:,} requests, {figure(made.lane_bytes / 1e9)} GB"
    yield "limits of the lane", lane
