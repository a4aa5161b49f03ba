"""The error tree."""

from __future__ import annotations

import inspect

import pytest

import songlens
from songlens_shared import errors
from songlens_shared.errors import (
    REQUEST_ERRORS,
    BrokerUnavailable,
    ConfigError,
    DataError,
    ModelNotFound,
    QueueFull,
    RequestError,
    SonglensError,
    request_error,
)

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, SonglensError)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_is_documented_and_speaks(error: type[SonglensError]) -> None:
    """Each class stands in the tree of the module's docstring, and its docstring is its default sentence."""
    assert error.__name__ in str(errors.__doc__)
    assert error().message == error.__doc__ == str(error())
    assert error("what happened").message == "what happened" == str(error("what happened"))
    assert error("").message == ""


def test_codes_are_a_closed_list() -> None:
    """Each request error has a code of its own, and every one of them travels."""
    leaves = [found for found in CLASSES if issubclass(found, RequestError) and found is not RequestError]
    assert sorted(REQUEST_ERRORS) == sorted({leaf.code for leaf in leaves})
    assert len(REQUEST_ERRORS) == len(leaves)
    for code, leaf in REQUEST_ERRORS.items():
        assert type(request_error(code, "why")) is leaf


def test_exit_statuses() -> None:
    """The statuses that the command documents."""
    statuses = {QueueFull: 1, ConfigError: 2, BrokerUnavailable: 3, ModelNotFound: 4, DataError: 5}
    assert {error: error.exit_status for error in statuses} == statuses


def test_queue_full_has_a_hint() -> None:
    """A full lane says when to try again, also when the word came in a reply."""
    assert QueueFull("full", retry_after_ms=250).retry_after_ms == 250
    assert isinstance(request_error("queue_full", "full"), QueueFull)


def test_an_app_can_catch_what_its_client_raises() -> None:
    """Every error of the request and broker branches can be imported from `songlens`."""
    for error in CLASSES:
        if issubclass(error, RequestError | errors.BrokerError):
            assert getattr(songlens, error.__name__) is error
