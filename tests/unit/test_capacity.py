"""What a rate of images needs: the arithmetic of `songlens bench capacity` and of ops/capacity.md."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from songlens_benchmarks import results
from songlens_benchmarks.capacity.measured import SOURCES, Measured
from songlens_benchmarks.capacity.page import page
from songlens_benchmarks.capacity.plan import (
    LITE2,
    VGG19_BF16,
    VGG19_FP32,
    VGG19_INT8,
    Demand,
    Plan,
    plan,
    server_us,
    song_rate,
    vision_rates,
)
from songlens_benchmarks.capacity.spread import LEAST_SERVERS, least_spread, spread
from songlens_benchmarks.command import command
from songlens_benchmarks.record import SERVING
from songlens_shared.errors import ConfigError, DataError

FOUND = results.read(SERVING)
OURS = Measured.of(FOUND)

ROUND = replace(
    OURS,
    cores=2.0,
    vgg19_whole=10.0,
    ranked=400.0,
    songs_us=5000.0,
    client_us=500.0,
    server_us=500.0,
    small_us=100.0,
    large_us=200.0,
    idle_worker_us=0.0,
    small_waits_bytes=1500.0,
    large_waits_bytes=100_500.0,
    result_bytes=1000.0,
    channel_bytes=1000.0,
    image_bytes=500.0,
    song_bytes=1000.0,
    in_bytes=104_000.0,
    connections_bytes=0.0,
)
"""Figures that can be reckoned with by head."""

UNITS = {
    "us": {"µs"},
    "bytes": {"bytes"},
    "connections": {"connections"},
    "": {"images/s", "photos/s", "queries/s", "requests/s"},
}
"""Of a figure, by the end of its name."""

RATES = st.floats(1, 20_000)


def test_an_example_by_head() -> None:
    """280 images a second of 100 KB, at 70 %: every number follows from the round figures above."""
    made = plan(Demand(images_per_s=280, backlog_s=10, songs=62_316, images=1000), ROUND)
    assert made.vision_workers == 40, "10 a second each, 7 at 70 %"
    assert made.song_workers == 4, "5 ms of ranking on one core and 5 ms of the queue: 100 a second, 70 at 70 %"
    assert made.client_processes == 1
    assert made.server_rate == pytest.approx(1400)
    assert (made.servers, made.lane_depth, made.lane_bytes) == (1, 2800, 280_000_000)
    assert made.memory["queue"] == pytest.approx(280 * 10 * 100_500)
    assert made.memory["replies by id"] == pytest.approx(280 * 3600 * 1000)
    assert made.memory["reply channels"] == pytest.approx(10_000 * 1000)
    assert made.memory["model versions"] == pytest.approx(4 * (1000 * 500 + 62_316 * 1000))
    assert made.memory_bytes == pytest.approx(sum(made.memory.values()))
    assert made.maxmemory_bytes == pytest.approx(made.memory_bytes / 0.7)
    assert made.in_bytes_per_s == pytest.approx(280 * 104_000)
    halves = plan(Demand(images_per_s=280, photo_bytes=50_500), ROUND)
    assert server_us(halves.demand, ROUND) == pytest.approx(375), "in the middle of 100 and 200, of 200: three quarters"
    assert halves.in_bytes_per_s == pytest.approx(280 * 54_500)


def needs(made: Plan) -> list[float]:
    """Return what is needed in all; servers that cannot be many enough are more than any number."""
    servers = made.servers if made.servers is not None else float("inf")
    return [
        *(made.vision_workers, made.song_workers, made.client_processes, servers, made.connections),
        *(made.memory_bytes, made.in_bytes_per_s, made.out_bytes_per_s, made.file_bytes_per_s),
    ]


@settings(deadline=None, max_examples=60)
@given(
    rate=RATES,
    more=st.fixed_dictionaries(
        {},
        optional={
            "images_per_s": st.floats(1, 20_000),
            "photo_bytes": st.integers(100, 10_000_000),
            "backlog_s": st.floats(1, 3600),
            "songs": st.integers(62_316, 10_000_000),
            "images": st.integers(33_459, 10_000_000),
            "users_share": st.floats(0, 1),
        },
    ),
)
def test_more_of_anything_needs_no_less_of_anything(rate: float, more: dict[str, Any]) -> None:
    """Images a second, bytes of a photo, seconds of backlog, catalogue, users."""
    least = Demand(images_per_s=rate, photo_bytes=100, backlog_s=1.0)
    grown = replace(least, **{name: max(value, getattr(least, name)) for name, value in more.items()})
    for before, after in zip(needs(plan(least, OURS)), needs(plan(grown, OURS)), strict=True):
        assert after >= before


@settings(deadline=None, max_examples=60)
@given(rate=RATES, kind=st.sampled_from([VGG19_FP32, VGG19_INT8, LITE2]), utilisation=st.floats(0.3, 1.0))
def test_nothing_is_busier_than_it_may_be(rate: float, kind: str, utilisation: float) -> None:
    """Workers and servers that a plan names do the work in the share of their time that was asked for."""
    demand = Demand(images_per_s=rate, vision=kind, utilisation=utilisation)
    made, allowed = plan(demand, OURS), utilisation * (1 + 1e-9)
    assert rate / vision_rates(OURS)[kind] / made.vision_workers <= allowed
    assert rate / song_rate(demand, OURS) / made.song_workers <= allowed
    assert made.of_each_server(made.memory_bytes) <= made.maxmemory_bytes * allowed
    if made.servers is not None:
        looking = made.workers * OURS.idle_worker_us / 1e6
        assert looking + rate / made.servers * server_us(demand, OURS) / 1e6 <= allowed
        assert made.servers == 1 or made.servers >= LEAST_SERVERS


def test_workers_that_keep_a_server_busy_by_themselves_have_no_plan() -> None:
    """Rather than a number that could not be true, there is none."""
    demand = Demand(images_per_s=10_000)
    made = plan(demand, replace(OURS, idle_worker_us=1000.0))
    assert (made.servers, made.equal_slots, made.server_rate) == (None, None, 0.0)


def test_partitions_lie_where_the_cluster_puts_them() -> None:
    """24 of them 6, 9 and 9 on three primaries, as ops/redis/README.md says; some shares have no answer."""
    assert spread(3, 24).busiest == pytest.approx(9 / 24)
    found = least_spread(0.3)
    assert found is not None
    assert found.busiest <= 0.3
    assert least_spread(1.0) == least_spread(2.5) == spread(1, 1)
    assert least_spread(0.0) is None


def test_lower_precisions_are_reckoned_between_what_was_measured() -> None:
    """Never faster than their forward pass alone, nor slower than fp32."""
    rates = vision_rates(OURS)
    assert rates[VGG19_FP32] < rates[VGG19_BF16] < min(OURS.bf16_8, OURS.bf16_32)
    assert rates[VGG19_BF16] < rates[VGG19_INT8] < min(OURS.int8_8, OURS.int8_32)


def test_every_figure_can_be_traced() -> None:
    """Each has one row of the results in this repository, in the unit that its name says, and stands on the page."""
    assert {field.name for field in fields(Measured)} == {"cores", *SOURCES}
    rows = {(found.benchmark, found.row.what): found for found in FOUND}
    text = page(FOUND)
    for name, source in SOURCES.items():
        found = rows[source.benchmark, source.what]
        unit = next(units for end, units in UNITS.items() if name.endswith(end))
        assert found.row.unit in unit, name
        assert re.search(
            rf"^\| {name} \| .*{re.escape(source.what)}.* \| {re.escape(found.commit)} \|", text, re.MULTILINE
        )
    assert not re.search(r"\{\w*\}", text.replace("{P}", "")), "everything is filled in"


def test_figures_that_are_missing_are_named() -> None:
    """With the command that measures them; so are those of two machines that do not go together."""
    with pytest.raises(DataError, match="songlens bench run footprint --out FILE"):
        Measured.of([found for found in FOUND if found.benchmark != "footprint"])
    other = [
        replace(found, about={**found.about, "machine": {**found.about["machine"], "cores": 64}})
        if found.benchmark == "songs"
        else found
        for found in FOUND
    ]
    with pytest.raises(DataError, match="different sizes"):
        Measured.of(other)


@pytest.mark.parametrize(
    "bad",
    [
        {"images_per_s": 0},
        {"utilisation": 1.1},
        {"users_share": 2},
        {"songs": 0},
        {"photo_bytes": 0},
        {"backlog_s": -1},
    ],
)
def test_what_cannot_be_is_refused(bad: dict[str, Any]) -> None:
    """A rate of nothing, more than all of a machine, more users than requests."""
    with pytest.raises(ConfigError):
        Demand(**({"images_per_s": 1} | bad))
    with pytest.raises(ConfigError, match="VGG-19, fp32"):
        plan(Demand(images_per_s=1, vision="another"), OURS)


def test_the_command_says_what_the_page_says() -> None:
    """`songlens bench capacity`, with a figure of one's own too."""
    said = CliRunner().invoke(
        command, ["capacity", "--images-per-s", "1000", "--vision", VGG19_INT8, "--photo-kb", "25"]
    )
    assert said.exit_code == 0
    made = plan(Demand(images_per_s=1000, vision=VGG19_INT8, photo_bytes=25_000), OURS)
    assert f"vision workers       {made.vision_workers} (VGG-19, int8)" in said.output
    assert f"**{made.vision_workers} vision workers**" in page(FOUND)
    given = CliRunner().invoke(command, ["capacity", "--images-per-s", "1000", "--vision-images-per-s", "2000"])
    assert "vision workers       1 (as given)" in given.output
