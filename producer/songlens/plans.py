"""What a client does, as data: the few commands that the protocol needs, without any input or output.

An operation is a generator, a *plan*. It yields one command at a time and is sent the result (or thrown the error); a
driver that knows how to execute these commands is all that a synchronous or asynchronous client adds.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from songlens_shared.functions import Call

T = TypeVar("T")

READ_COUNT = 100
"""Replies that one read takes from each partition, so that a channel full of them does not come in one piece."""


@dataclass(frozen=True)
class Get:
    """Read a string key."""

    key: str

    def words(self) -> tuple[str, str]:
        """Return the command as the server reads it."""
        return "GET", self.key

    def on(self, connection: Any) -> Any:
        """Send it by a redis client, sync or asynchronous, and return what it returns."""
        return connection.execute_command(*self.words())


@dataclass(frozen=True)
class IsCluster:
    """Say whether the server belongs to a Redis Cluster, where no command takes keys of two partitions."""


@dataclass(frozen=True)
class LoadFunctions:
    """Load the functions library."""


@dataclass(frozen=True)
class Pause:
    """Wait for so long."""

    seconds: float


@dataclass(frozen=True)
class ReadReplies:
    """Read the reply channels past these cursors, waiting up to `block_ms` for the first reply (None: not at all)."""

    cursors: dict[Any, Any]
    block_ms: int | None

    def on(self, connection: Any) -> Any:
        """Send it by a redis client, sync or asynchronous, and return what it returns."""
        return connection.xread(self.cursors, count=READ_COUNT, block=self.block_ms)


@dataclass(frozen=True)
class Listen:
    """Wait until the inbox may hold the reply to this request: all who wait for the same streams share one reader."""

    request_id: str
    streams: tuple[str, ...]
    block_ms: int


Command = Call | Get | IsCluster | LoadFunctions | Pause | ReadReplies | Listen
Plan = Generator[Command, Any, T]
