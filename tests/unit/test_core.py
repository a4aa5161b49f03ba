"""The plans of a client, driven by hand: no server, no waiting, a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from songlens.core import ClientCore
from songlens.plans import Command, Get, IsCluster, Listen, LoadFunctions, Pause, Plan, ReadReplies
from songlens.replies import Inbox
from songlens_shared.broker import BLOCK_MS
from songlens_shared.codec import decode_request, encode_reply
from songlens_shared.errors import BadRequest, BrokerError, BrokerUnavailable, DeadlineExceeded, QueueFull
from songlens_shared.functions import Call
from songlens_shared.keys import PartitionKeys, partition_of
from songlens_shared.messages import FeatureData, Reply, Request

REPLY = Reply(id="r1", status="ok", model="m1")
STORED = encode_reply(REPLY)
STREAM = PartitionKeys(0).replies("app")
ACCEPTED = [b"accepted", 5000, 35_000]


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def core(clock: Clock) -> ClientCore:
    return ClientCore(name="app", partitions=1, clock=clock)


def drive(plan: Plan[Any], execute: Callable[[Command], Any]) -> Any:
    """Run a plan as a client does."""
    try:
        command = next(plan)
        while True:
            try:
                result = execute(command)
            except Exception as error:
                command = plan.throw(error)
            else:
                command = plan.send(result)
    except StopIteration as stop:
        return stop.value
    finally:
        plan.close()


class Script:
    """Executes commands from a list of results, and keeps what it was asked."""

    def __init__(self, clock: Clock, *results: Any, cluster: bool = False) -> None:
        self.cluster = cluster
        self.asked: list[Command] = []
        self._clock = clock
        self._results = list(results)

    def __call__(self, command: Command) -> Any:
        if isinstance(command, IsCluster):
            return self.cluster
        self.asked.append(command)
        if isinstance(command, Pause):
            self._clock.now_s += command.seconds
            return None
        if isinstance(command, Listen):
            self._clock.now_s += command.block_ms / 1000
            return None
        result = self._results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def request() -> Request:
    return Request(id="r1", client="app", image=b"photo")


def xread(*entries: tuple[str, bytes, bytes], stream: str = STREAM) -> Any:
    return [[stream.encode(), [(id.encode(), {b"id": request_id, b"m": m}) for id, request_id, m in entries]]]


def test_submit_is_one_call(core: ClientCore, clock: Clock) -> None:
    """Submitting takes one round trip, whose payload is the request."""
    script = Script(clock, ACCEPTED)
    drive(core.submit(request()), script)
    [call] = script.asked
    assert isinstance(call, Call)
    assert call.function == "songlens_submit"
    *_, payload = call.args[:4]
    assert isinstance(payload, tuple)
    assert decode_request(b"".join(payload)) == request()


def test_a_missing_library_is_loaded_once(core: ClientCore, clock: Clock) -> None:
    """The first call finds no function, loads the library and goes again; a second failure is an error."""
    script = Script(clock, redis.ResponseError("Function not found"), True, ACCEPTED)
    drive(core.submit(request()), script)
    assert [type(command) for command in script.asked] == [Call, LoadFunctions, Call]
    missing = redis.ResponseError("Function not found")
    with pytest.raises(redis.ResponseError):
        drive(core.submit(request()), Script(clock, missing, True, missing))


def test_other_errors_of_submit_pass(core: ClientCore, clock: Clock) -> None:
    """What is neither a missing function nor a full memory is raised as it is."""
    with pytest.raises(BrokerError, match="read only"):
        drive(core.submit(request()), Script(clock, BrokerError("read only")))


def test_full(core: ClientCore, clock: Clock) -> None:
    """The message of a full lane is a sentence with every figure, and the hint is a number."""
    with pytest.raises(QueueFull) as full:
        drive(core.submit(request()), Script(clock, [b"full", 250, 1000, 12_345]))
    assert full.value.message == "the interactive lane is full (1000 requests, 12345 bytes wait); try again in 250 ms."
    assert full.value.retry_after_ms == 250


def test_wait_looks_before_it_listens(core: ClientCore, clock: Clock) -> None:
    """A reply that is stored already costs one look and no listening."""
    script = Script(clock, STORED)
    assert drive(core.wait("r1", 10), script) == REPLY
    assert [type(command) for command in script.asked] == [Get]


def test_wait_takes_the_reply_from_the_inbox(core: ClientCore, clock: Clock) -> None:
    """What another waiter's read has brought in is taken without another look at the server."""
    script = Script(clock, b"")

    def execute(command: Command) -> Any:
        if isinstance(command, Listen):
            core.inbox.feed(xread(("6000-0", b"r1", STORED)))
            return None
        return script(command)

    assert drive(core.wait("r1", 10), execute) == REPLY
    assert core.inbox.arrived("r1") is None


def test_wait_looks_again_after_a_quiet_spell(core: ClientCore, clock: Clock) -> None:
    """A reply that was never heard of (trimmed, or told to another client) is found within one block."""
    started_s = clock.now_s
    assert drive(core.wait("r1", 60), Script(clock, b"", STORED)) == REPLY
    assert clock.now_s - started_s == pytest.approx(BLOCK_MS / 1000)


def test_wait_ends_at_its_time(core: ClientCore, clock: Clock) -> None:
    """However the looks fall, the wait ends when its time is over, not later."""
    started_s = clock.now_s
    with pytest.raises(DeadlineExceeded):
        drive(core.wait("r1", 5), Script(clock, *[b""] * 10))
    assert clock.now_s - started_s == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize("lost", ["look", "listen"])
def test_wait_outlives_an_outage(core: ClientCore, clock: Clock, lost: str) -> None:
    """A lost connection, while looking or listening, is tried again after a pause."""
    script = Script(clock, *([BrokerUnavailable()] * 3 if lost == "look" else [b""]), STORED)

    def execute(command: Command) -> Any:
        if lost == "listen" and isinstance(command, Listen):
            raise BrokerUnavailable
        return script(command)

    assert drive(core.wait("r1", 10), execute) == REPLY
    assert Pause in [type(command) for command in script.asked]


def test_an_outage_longer_than_the_wait_is_told(core: ClientCore, clock: Clock) -> None:
    """When the time is over and the server is away, that is the error."""
    with pytest.raises(BrokerUnavailable):
        drive(core.wait("r1", 1), Script(clock, *[BrokerUnavailable()] * 20))


def test_an_abandoned_wait_is_forgotten(core: ClientCore, clock: Clock) -> None:
    """A plan that is closed in the middle, as by a cancelled task, leaves the inbox."""
    plan = core.wait("r1", 10)
    next(plan)
    plan.close()
    core.inbox.feed(xread(("6000-0", b"r1", STORED)))
    assert core.inbox.arrived("r1") is None


def test_a_reply_that_cannot_be_read_fails_its_own_request(core: ClientCore, clock: Clock) -> None:
    """A damaged reply is the error of the request that it answers; the one who reads for all does not see it."""
    with core.inbox.expecting("r1"):
        core.inbox.feed(xread(("6000-0", b"r1", b"damaged"), ("6001-0", b"r2", STORED)))
        assert core.inbox.positions([STREAM]) == {STREAM: "6001-0"}
        with pytest.raises(BadRequest):
            drive(core.wait("r1", 10), Script(clock, b""))


def test_poll_slows_down_and_ends_in_time(core: ClientCore, clock: Clock) -> None:
    """Polling starts at 20 ms, slows to two looks a second, and does not overshoot its time."""
    script = Script(clock, *[b""] * 50)
    started_s = clock.now_s
    with pytest.raises(DeadlineExceeded, match=r"no answer to request r1 within 5\.0 s"):
        drive(core.poll("r1", 5), script)
    pauses_s = [command.seconds for command in script.asked if isinstance(command, Pause)]
    assert pauses_s[0] == 0.02
    assert max(pauses_s) == 0.5
    assert clock.now_s - started_s == pytest.approx(5, abs=0.01)


def test_poll_tells_at_once_that_there_is_no_server(core: ClientCore, clock: Clock) -> None:
    """A server that is away from the start is an error now; one that goes away later is waited for."""
    with pytest.raises(BrokerUnavailable):
        drive(core.poll("r1", 30), Script(clock, BrokerUnavailable()))
    assert drive(core.poll("r1", 30), Script(clock, b"", BrokerUnavailable(), STORED)) == REPLY


def test_inbox_keeps_a_reply_until_the_last_waiter_has_gone() -> None:
    """Two that wait for one request both find its reply; replies that nobody waits for are not kept."""
    inbox = Inbox([STREAM])
    with inbox.expecting("r1"):
        with inbox.expecting("r1"):
            assert inbox.feed(xread(("1-0", b"r1", STORED), ("2-0", b"r2", STORED))) == ["r1"]
        assert inbox.arrived("r1") == STORED
    assert inbox.arrived("r1") is None
    assert inbox.arrived("r2") is None


def test_inbox_skips_the_past_once() -> None:
    """The first submit sets where every partition is read from; later ones move nothing back."""
    inbox = Inbox(["a", "b"])
    assert inbox.skip_to(5000)
    inbox.feed(xread(("7000-3", b"r1", STORED), stream="a"))
    assert inbox.skip_to(9000)
    assert inbox.positions(["a", "b"]) == {"a": "7000-3", "b": "4999-0"}


def recommended(core: ClientCore, clock: Clock, *answers: Any) -> list[type[Command]]:
    """Recommend for r1, whose reply is heard at the first listening; returns what was asked."""
    script = Script(clock, *answers)

    def execute(command: Command) -> Any:
        if isinstance(command, Listen):
            core.inbox.feed(xread(("6000-0", b"r1", STORED)))
        return script(command)

    assert drive(core.recommend(core.request(b"a photo", id="r1")), execute) == REPLY
    return [type(command) for command in script.asked if not isinstance(command, IsCluster)]


def test_a_new_request_is_heard_of_without_looking(core: ClientCore, clock: Clock) -> None:
    """Who has just queued a request listens at once: its reply cannot have been there before."""
    assert recommended(core, clock, ACCEPTED) == [Call, Listen]


@pytest.mark.parametrize("state", [[b"pending", 5000], [b"done", 5000, STORED]], ids=["pending", "done"])
def test_a_request_that_is_not_new_is_looked_for(core: ClientCore, clock: Clock, state: list[Any]) -> None:
    """Somebody else may have queued it, or we did and lost the answer: its reply may have gone by."""
    assert recommended(core, clock, state, STORED) == [Call, Get]


def test_a_request_queued_before_the_inbox_began_is_looked_for(core: ClientCore, clock: Clock) -> None:
    """Of two that are queued at once, the later may be told first, and the inbox begins with it."""
    assert core.inbox.skip_to(5001)
    assert recommended(core, clock, ACCEPTED, STORED) == [Call, Get]


FEATURES = FeatureData(dtype="float32", dimensions=1, data=bytes(4), backbone="tiny-0123456789ab")
WITH_FEATURES = Reply(id="r1", status="ok", features=FEATURES)


def test_a_notice_is_followed_by_a_look(core: ClientCore, clock: Clock) -> None:
    """A client that is told that its reply is there takes it from the result."""
    script = Script(clock, ACCEPTED, encode_reply(WITH_FEATURES))

    def execute(command: Command) -> Any:
        if isinstance(command, Listen):
            core.inbox.feed(xread(("6000-0", b"r1", b"")))
        return script(command)

    assert drive(core.recommend(core.features_request(b"a photo", id="r1")), execute) == WITH_FEATURES
    asked = [type(command) for command in script.asked]
    assert asked == [Call, Listen, Get]


def test_a_request_for_features(core: ClientCore) -> None:
    """It says what it wants, in which type and of which backbone; and what is no type is refused at once."""
    made = core.features_request(b"a photo", dtype="float16", backbone="vgg19-0123456789ab", lane="bulk", timeout_s=9)
    assert (made.want, made.features_dtype, made.backbone) == ("features", "float16", "vgg19-0123456789ab")
    assert (made.lane, made.ttl_ms, made.client) == ("bulk", 9000, "app")
    with pytest.raises(BadRequest, match="features_dtype"):
        core.features_request(b"a photo", dtype="float64")


def test_a_channel_passes_over_notices(core: ClientCore) -> None:
    """Who reads every reply gets those with songs, and a cursor past the notices among them."""
    channel = core.channel("0", 10)
    response = xread(("1-0", b"f1", b""), ("2-0", b"r1", STORED), ("3-0", b"f2", b""))
    [received] = drive(channel.read(), lambda _: response)
    assert (received.id, received.cursor) == ("r1", "2-0")
    assert drive(channel.read(), lambda _: xread(("4-0", b"f3", b""))) == []
    assert channel._positions == {STREAM: "4-0"}


def quiet_channel(core: ClientCore, clock: Clock, quiet_s: float | None, *reads: tuple[float, Any]) -> list[Any]:
    """Read a channel until it ends; each read takes so many seconds and returns so much. Returns what was blocked."""
    channel = core.channel("0", quiet_s)
    blocked_ms = []
    for takes_s, response in reads:
        assert not channel.ended

        def execute(command: Command, takes_s: float = takes_s, response: Any = response) -> Any:
            assert isinstance(command, ReadReplies)
            blocked_ms.append(command.block_ms)
            clock.now_s += takes_s
            return response

        if drive(channel.read(), execute):
            clock.now_s += 60  # the consumer takes its time
    assert channel.ended == (quiet_s is not None)
    return blocked_ms


def test_a_slow_consumer_is_not_silence(core: ClientCore, clock: Clock) -> None:
    """Only the time in which the channel was listened to counts: a minute spent on a reply ends nothing."""
    reply = xread(("1-0", b"r1", STORED))
    blocked_ms = quiet_channel(core, clock, 3, (0, reply), (2, []), (0.5, reply), (2, []), (1, []))
    assert blocked_ms == [2000, 2000, 1000, 2000, 1000]


def test_a_channel_without_an_end_blocks_for_short_spells(core: ClientCore, clock: Clock) -> None:
    """Every blocking read stays under the socket timeout, and never is 0, which means for ever."""
    assert quiet_channel(core, clock, None, *[(2, [])] * 3) == [BLOCK_MS] * 3
    assert quiet_channel(core, clock, 0, (0, [])) == [1]


def test_cursor_counts_every_partition(clock: Clock) -> None:
    """A reply's cursor holds the place in each partition, so that going on from it repeats and skips nothing."""
    core = ClientCore(name="app", partitions=2, clock=clock)
    first, second = (PartitionKeys(partition).replies("app") for partition in range(2))
    channel = core.channel("5-0,6-1", 1)
    response = [*xread(("7-0", b"a", STORED), stream=second), *xread(("8-0", b"b", STORED), stream=first)]
    received = drive(channel.read(), lambda _: response)
    assert [each.cursor for each in received] == ["5-0,7-0", "8-0,7-0"]


def test_on_a_cluster_a_client_listens_to_the_partition_of_its_request(clock: Clock) -> None:
    """No read touches two partitions there; on one server all of them are read at once."""
    core = ClientCore(name="app", partitions=3, clock=clock)
    for cluster, streams in ((True, (PartitionKeys(partition_of("r1", 3)).replies("app"),)), (False, core._streams)):
        script = Script(clock, b"", STORED, cluster=cluster)
        drive(core.wait("r1", 60), script)
        [listened] = {command.streams for command in script.asked if isinstance(command, Listen)}
        assert listened == streams


def test_on_a_cluster_a_channel_is_read_partition_by_partition(clock: Clock) -> None:
    """Each of them is asked in every round, another one first each time; nothing makes a pause, not a block."""
    core = ClientCore(name="app", partitions=3, clock=clock)
    channel = core.channel("0", 10)
    script = Script(clock, None, None, xread(("6000-0", b"r1", STORED), stream=core._streams[2]), cluster=True)
    [received] = drive(channel.read(), script)
    assert (received.id, received.cursor) == ("r1", "0,0,6000-0")
    assert [list(command.cursors) for command in script.asked] == [[core._streams[n]] for n in (1, 2, 0)]  # type: ignore[union-attr]
    quiet = Script(clock, None, None, None, cluster=True)
    assert drive(channel.read(), quiet) == []
    assert [type(command) for command in quiet.asked] == [ReadReplies, ReadReplies, ReadReplies, Pause]
