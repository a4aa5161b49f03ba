"""Damaged photos, messages and calls: each is accepted or refused, in bounded time and memory: a million of them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from fuzz_functions import Fuzz, check_books, prepare

from songlens_shared.broker import connect
from songlens_shared.functions import library_source
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker

FUZZ_RUN = Path(__file__).parents[1] / "fuzz_run.py"
INPUTS = {
    "photo": (2000, 210_000),
    "photo_by_pillow": (2000, 20_000),
    "request": (1500, 230_000),
    "hits": (1500, 230_000),
    "reply": (1500, 230_000),
}
"""Of the short and of the long form. With 70,000 calls and 30,000 inputs chosen by atheris: a million."""
GUIDED = {"request": 15_000, "photo": 15_000}
CALLS = (1000, 35_000)
"""Careless ones, and as many careful ones."""
PEAK_MIB = 400
"""Of a process without torch, whose libraries alone take more."""
GROWN_MIB = 100
"""Of any, beyond what it has when good inputs have been tried."""
SLOWEST_S = 10.0


def fuzz(**given: Any) -> subprocess.CompletedProcess[str]:
    """Run a fuzzing process to its end."""
    return subprocess.run(
        [sys.executable, str(FUZZ_RUN), json.dumps(given)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=400,
        check=False,
    )


def account(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return its account; fails with the end of its output where it has none."""
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
    (line,) = [line for line in process.stdout.splitlines() if line.startswith('{"inputs"')]
    found: dict[str, Any] = json.loads(line)
    return found


def check(found: dict[str, Any], target: str, inputs: int) -> None:
    """All were tried, some accepted and some refused, and none took much time or memory."""
    assert found["inputs"] >= inputs
    assert (
        {"accepted"}
        < set(found["outcomes"])
        <= {
            "accepted",
            "bad_request",
            "unsupported_version",
            "bad_image",
            "image_too_large",
        }
    )
    assert found["slowest_s"] < SLOWEST_S
    assert found["peak_mib"] - found["begun_mib"] < GROWN_MIB
    assert found["peak_mib"] < PEAK_MIB or target == "photo"


@pytest.mark.timeout(500)
@pytest.mark.parametrize("target", INPUTS)
def test_damaged_inputs_are_accepted_or_refused(target: str, long: bool, report: Any) -> None:
    """A decoder raises nothing but request errors, whatever is changed in a photo or a message."""
    inputs, started_s = INPUTS[target][long], time.monotonic()
    found = account(fuzz(target=target, inputs=inputs, seed=1 + long))
    report(**found, seconds=round(time.monotonic() - started_s, 1))
    check(found, target, inputs)


@pytest.mark.timeout(500)
@pytest.mark.parametrize("target", GUIDED)
def test_inputs_chosen_by_coverage(target: str, tmp_path: Path, long: bool, report: Any) -> None:
    """The same with inputs that atheris chooses by the code that they reach."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed; it has wheels for Linux only")
    if not long:
        pytest.skip("atheris takes half a minute to begin: with --chaos")
    started_s = time.monotonic()
    found = account(fuzz(target=target, inputs=GUIDED[target], seed=1, guided=True, folder=str(tmp_path)))
    report(**found, seconds=round(time.monotonic() - started_s, 1))
    check(found, target, GUIDED[target])


def test_a_mistake_is_found() -> None:
    """A decoder that breaks on a user who is no number is found out, with the input that breaks it."""
    process = fuzz(target="planted", inputs=20_000, seed=1)
    assert process.returncode == 1
    assert "breaks the rule: " in process.stdout
    assert "ValueError" in process.stderr


class OpenBroker(EmbeddedBroker):
    """A server that tells the digest of all that it holds, and lets nothing expire by itself meanwhile."""

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--enable-debug-command", "yes"]


@pytest.fixture
def open_connection(tmp_path: Path, redis_server: Path | None) -> Iterator[redis.Redis]:
    """A client of such a server."""
    with OpenBroker(tmp_path / "open", persistent=False, binary=redis_server) as broker, connect(broker.url) as client:
        load_functions(client)
        client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        prepare(client)
        yield client


@pytest.mark.timeout(400)
def test_careless_calls_change_nothing_where_they_fail(open_connection: redis.Redis, long: bool, report: Any) -> None:
    """With any keys and arguments a function does all of its work or none, and the server goes on."""
    started_s, fuzzed = time.monotonic(), Fuzz(open_connection, seed=1)
    fuzzed.careless(CALLS[long])
    report(inputs=fuzzed.calls, failed=fuzzed.failed, seconds=round(time.monotonic() - started_s, 1))
    assert fuzzed.failed > fuzzed.calls // 20
    assert open_connection.ping()


@pytest.mark.timeout(400)
def test_the_books_are_right_after_any_order_of_calls(open_connection: redis.Redis, long: bool, report: Any) -> None:
    """Bytes, pending entries, places and results agree, whatever is submitted, handed over, answered, buried,
    cancelled and replayed, again and again."""
    started_s, fuzzed = time.monotonic(), Fuzz(open_connection, seed=1)
    fuzzed.careful(CALLS[long])
    report(inputs=fuzzed.calls, seconds=round(time.monotonic() - started_s, 1))
    check_books(open_connection)


@pytest.mark.parametrize(
    ("does_it", "without_it", "how"),
    [
        ("check_answer(keys, args)\n    if not take_off", "if not take_off", "careless"),
        ("redis.call('DECRBY', stream .. ':bytes', payload_bytes)", "local _ = payload_bytes", "careful"),
    ],
    ids=["no look before the first write", "bytes are not given back"],
)
def test_mistakes_in_functions_are_found(open_connection: redis.Redis, does_it: str, without_it: str, how: str) -> None:
    """A function that writes before it looks, or keeps the books wrong, is found out."""
    source = library_source()
    assert does_it in source
    open_connection.function_load(source.replace(does_it, without_it), replace=True)
    fuzzed = Fuzz(open_connection, seed=1)
    with pytest.raises(AssertionError):
        getattr(fuzzed, how)(20_000)
