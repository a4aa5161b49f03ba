"""Keys, partitions and buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.keys import BULK, INTERACTIVE, ModelKeys, PartitionKeys, bucket_count, bucket_of, partition_of


@pytest.mark.parametrize(
    ("key", "crc"),
    [("123456789", 0x31C3), ("", 0), ("foo", 0xAF96), ("hello", 0xC362)],
)
def test_partition_is_crc16_xmodem(key: str, crc: int) -> None:
    """The check value of CRC-16/XMODEM, which Redis Cluster uses, and values computed by hand."""
    assert partition_of(key, 1 << 16) == crc


@given(st.text(min_size=1), st.integers(1, 64))
def test_partition_is_one_of_them(request_id: str, partitions: int) -> None:
    """Every id has a partition, and only one partition holds everything."""
    assert 0 <= partition_of(request_id, partitions) < partitions
    assert partition_of(request_id, 1) == 0


def test_every_key_of_a_partition_has_its_hash_tag() -> None:
    """All keys of one call lie in one slot of a cluster: the first braces hold the partition, and nothing else."""
    at = PartitionKeys(3)
    keys = [
        at.requests(INTERACTIVE),
        at.requests(BULK),
        at.hits,
        at.dead,
        at.limits,
        at.result("r1"),
        at.replies("app"),
        at.reply_channel("app"),
        at.user("somebody"),
        at.bytes_of(at.hits),
    ]
    assert all(key.startswith("sl:{3}:") for key in keys)
    assert len(set(keys)) == len(keys)


def test_keys_are_those_of_the_protocol() -> None:
    """The names that clients in other languages write by hand."""
    at = PartitionKeys()
    assert at.requests("bulk") == "sl:{0}:requests:bulk"
    assert at.bytes_of(at.requests("bulk")) == "sl:{0}:requests:bulk:bytes"
    assert at.result("r1") == "sl:{0}:result:r1"
    assert at.replies("app") == "sl:{0}:replies:app"
    assert at.reply_channel("app") == "sl:{0}:reply:app"
    assert at.user("听众 1") == "sl:{0}:user:0056f6fbe8a2d7c9c258e93e2b1a7b38"
    model = ModelKeys("v1")
    assert model.manifest == "sl:model:v1:manifest"
    assert (model.image_vectors(2), model.song_vectors(2)) == ("sl:model:v1:ne:images:2", "sl:model:v1:ne:songs:2")
    assert model.song_cards(2) == "sl:model:v1:songs:2"


@pytest.mark.parametrize(("entries", "buckets"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (62_316, 63)])
def test_bucket_count(entries: int, buckets: int) -> None:
    """A bucket holds about a thousand entries, and there is always one."""
    assert bucket_count(entries) == buckets


def test_buckets_are_crc32() -> None:
    """The check value of CRC-32, so that other languages find the same bucket."""
    assert bucket_of("123456789", 1 << 32) == 0xCBF43926
