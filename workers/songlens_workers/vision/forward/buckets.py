"""How a batch is cut into pieces of the few sizes that a device is made ready for."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_PADDING = 0.25


@dataclass(frozen=True)
class Piece:
    """Rows `start` to `stop` of a batch, executed together as a bucket of `bucket` rows; the rest of it is padding."""

    start: int
    stop: int
    bucket: int

    @property
    def count(self) -> int:
        """The photos in it."""
        return self.stop - self.start


def bucket_of(count: int, largest: int) -> int:
    """Return the smallest bucket that `count` photos (1 or more) fit into, `largest` where none does."""
    return min(largest, 1 << (count - 1).bit_length())


def pieces(count: int, *, largest: int, split_from: int) -> list[Piece]:
    """Return what a batch of `count` photos (1 or more) is executed as, in the order of its rows.

    Buckets are the powers of two up to `largest`, itself one; raises `ValueError` where it is none.
    A piece is padded to its bucket where at most a quarter of that is padding; otherwise a full bucket is cut off.
    A batch of `split_from` photos or more is never one piece: the second half is copied while the first computes.
    """
    if largest < 1 or largest & (largest - 1):
        raise ValueError(f"the largest bucket must be a power of two; got {largest}")
    limit = bucket_of(count, largest)
    if limit >= count >= split_from and limit > 1:
        limit //= 2
    found, start = [], 0
    while start < count:
        left = count - start
        bucket = bucket_of(left, limit)
        if bucket - left > _MOST_PADDING * bucket:
            bucket //= 2
        stop = start + min(left, bucket)
        found.append(Piece(start, stop, bucket))
        start = stop
    return found
