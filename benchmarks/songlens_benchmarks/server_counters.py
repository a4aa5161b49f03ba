"""What a server counts of itself."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import redis


@dataclass(frozen=True)
class Counters:
    """At one moment; all but memory and connections grow for as long as the server runs."""

    memory_bytes: float
    """`used_memory`: data, keys, buffers of clients. What `maxmemory` is compared with."""

    connections: float
    """Ours among them."""

    in_bytes: float
    out_bytes: float
    file_bytes: float
    """The append-only file; grows until it is rewritten."""

    processor_us: float
    """User and system time of the server, of its forks too."""

    @classmethod
    def of(cls, connection: redis.Redis) -> Self:
        """Ask the server."""
        found: dict[str, Any] = connection.info("everything")
        return cls(
            memory_bytes=float(found["used_memory"]),
            connections=float(found["connected_clients"]),
            in_bytes=float(found["total_net_input_bytes"]),
            out_bytes=float(found["total_net_output_bytes"]),
            file_bytes=float(found.get("aof_current_size", 0)),
            processor_us=1e6
            * sum(float(found[f"used_cpu_{kind}{whose}"]) for kind in ("user", "sys") for whose in ("", "_children")),
        )

    def since(self, before: Self) -> Counters:
        """Return what was added after `before`."""
        return Counters(
            **{field.name: getattr(self, field.name) - getattr(before, field.name) for field in fields(self)}
        )
