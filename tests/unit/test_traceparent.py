"""Traceparents come from strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from songlens_shared.codec import encode_request, trace_of
from songlens_shared.messages import Request
from songlens_shared.traceparent import sampled_trace_id, trace_id

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_a_traceparent_has_a_trace_id() -> None:
    """Of this version of the standard and of later ones, which may go on."""
    assert trace_id(PARENT) == TRACE_ID
    assert trace_id("01" + PARENT[2:] + "-more") == TRACE_ID


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00-abc",
        PARENT.upper(),
        PARENT + " ",
        PARENT[:-1],
        "ff" + PARENT[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{'x' * 32}-00f067aa0ba902b7-01",
    ],
)
def test_what_is_none_has_none(text: str | None) -> None:
    """Zeros, capitals, and the version that the standard forbids are none either."""
    assert trace_id(text) is None
    assert sampled_trace_id(text) is None


def test_flags_say_whether_a_trace_is_kept() -> None:
    """Bit 0 alone."""
    assert sampled_trace_id(PARENT) == TRACE_ID
    assert sampled_trace_id(PARENT[:-2] + "03") == TRACE_ID
    assert sampled_trace_id(PARENT[:-2] + "00") is None
    assert sampled_trace_id(PARENT[:-2] + "02") is None


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_payload_may_be_asked_for_its_trace(payload: bytes) -> None:
    """What cannot be read has none, and is no error."""
    assert trace_of(payload) is None


def test_a_message_has_the_trace_that_it_was_given() -> None:
    """As it is, whatever it is."""
    assert trace_of(encode_request(Request(id="r1", client="app", image=b"-", trace="t"))) == "t"
    assert trace_of(encode_request(Request(id="r1", client="app", image=b"-"))) is None
