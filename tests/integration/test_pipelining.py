"""Commands of many tasks in one round trip, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from songlens.pipelining import MOST_BYTES, Pipelining, packed
from songlens_shared.broker import connect, open_redis_asyncio
from songlens_shared.errors import BrokerError
from songlens_workers.embedded import EmbeddedBroker


@pytest.fixture
async def pipelining(broker: EmbeddedBroker) -> AsyncIterator[Pipelining]:
    connection = await open_redis_asyncio(broker.url)
    made = Pipelining(connection)
    yield made
    await made.close()
    await connection.aclose()


def reads(broker: EmbeddedBroker) -> int:
    """How often the server has read from a connection."""
    with connect(broker.url) as connection:
        return int(connection.info("stats")["total_reads_processed"])


async def test_commands_of_one_turn_go_together(pipelining: Pipelining, broker: EmbeddedBroker) -> None:
    """A hundred tasks that ask at once get their own answers, and the server reads a few times only."""
    await pipelining.execute(("PING",))
    before = reads(broker)
    echoes = [pipelining.execute(("ECHO", f"{number}")) for number in range(100)]
    assert await asyncio.gather(*echoes) == [b"%d" % number for number in range(100)]
    assert reads(broker) - before < 15


async def test_one_error_is_no_others(pipelining: Pipelining) -> None:
    """What the server has against one command is raised where it was asked for; those before and after it are done."""
    await pipelining.execute(("SET", "a list?", "no"))
    before, wrong, after = await asyncio.gather(
        *(pipelining.execute(words) for words in (("INCR", "n"), ("LPOP", "a list?"), ("INCR", "n"))),
        return_exceptions=True,
    )
    assert (before, after) == (1, 2)
    assert isinstance(wrong, redis.ResponseError)
    assert str(wrong).startswith("WRONGTYPE")


async def test_a_write_is_bounded(pipelining: Pipelining) -> None:
    """Many big commands go in several writes, one that is larger than a write goes alone, and none is lost."""
    photos = [b"x" * (MOST_BYTES // 3)] * 8 + [b"y" * (3 * MOST_BYTES)] + [b"z"] * 3
    echoes = await asyncio.gather(*(pipelining.execute(("ECHO", photo)) for photo in photos))
    assert echoes == photos


async def test_who_has_gone_is_left_out(pipelining: Pipelining) -> None:
    """A task that is cancelled before its command was sent sends nothing, and disturbs nobody."""
    gone = asyncio.create_task(pipelining.execute(("INCR", "gone")))
    stays = asyncio.create_task(pipelining.execute(("INCR", "stays")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 1
    assert await pipelining.execute(("GET", "gone")) is None


async def test_a_connection_that_is_cut_is_made_again(pipelining: Pipelining, broker: EmbeddedBroker) -> None:
    """The round is sent again."""
    assert await pipelining.execute(("PING",))
    with connect(broker.url) as connection:
        connection.execute_command("CLIENT KILL TYPE NORMAL SKIPME YES")
    assert await asyncio.gather(*(pipelining.execute(("ECHO", "again")) for _ in range(5))) == [b"again"] * 5


async def test_a_server_that_has_gone_is_everybodys_error(pipelining: Pipelining, broker: EmbeddedBroker) -> None:
    """Each that waits is told, none hangs, and nothing stays behind."""
    await asyncio.to_thread(broker.stop)
    failed = await asyncio.gather(*(pipelining.execute(("PING",)) for _ in range(5)), return_exceptions=True)
    assert [isinstance(error, redis.ConnectionError) for error in failed] == [True] * 5
    assert not pipelining._rounds


async def test_closing_tells_who_waits(pipelining: Pipelining) -> None:
    """An answer that is still out is not waited for."""
    waiting = asyncio.create_task(pipelining.execute(("BLPOP", "nothing", 0)))
    await asyncio.sleep(0.05)
    await pipelining.close()
    with pytest.raises(BrokerError, match="closed"):
        await waiting


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("GET", "雪"), b"*2\r\n$3\r\nGET\r\n$3\r\n\xe9\x9b\xaa\r\n"),
        (("X", b"\r\n\0", 17), b"*3\r\n$1\r\nX\r\n$3\r\n\r\n\0\r\n$2\r\n17\r\n"),
        (("X", (b"ab", b"c"), "d"), b"*3\r\n$1\r\nX\r\n$3\r\nabc\r\n$1\r\nd\r\n"),
        (("X", (b"a", b"")), b"*2\r\n$1\r\nX\r\n$1\r\na\r\n"),
    ],
)
def test_packed(words: Any, text: bytes) -> None:
    """Lengths are those of bytes; numbers are written out."""
    assert b"".join(packed(words)) == text


def test_a_photo_is_not_copied() -> None:
    """It stands among the pieces as it was given."""
    photo = b"photo"
    assert any(piece is photo for piece in packed(("X", (b"head", photo), "Y")))
