"""Where a worker's spans go: what the environment says in OpenTelemetry's own words, OTEL_*.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. In one point we differ: unless
they name an address or an exporter, nothing is traced.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Any

import structlog

from songlens_shared.errors import ConfigError
from songlens_workers.runtime.tracing import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ADDRESSES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_EXPORTERS = "OTEL_TRACES_EXPORTER"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
"""Protocol -> name of the exporter's entry point."""

_FLUSH_LIMIT_S = 5.0
_log = structlog.get_logger()


def open_tracing(stage: str, consumer: str, environment: Mapping[str, str] = os.environ) -> Tracing:
    """Return how a worker traces. Raises `ConfigError` where it is asked to and cannot."""
    wanted_by = _wanted_by(environment)
    if wanted_by is None:
        return Tracing()
    try:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from songlens_workers.runtime.spans import SpanTracing

        provider = _provider(stage, consumer)
        for name in _exporters(environment):
            provider.add_span_processor(BatchSpanProcessor(_exporter(name)()))
    except ImportError:
        raise _not_installed(wanted_by) from None
    except ValueError as error:
        raise ConfigError(f"OpenTelemetry refuses what its OTEL_ variables say: {error}") from None
    _pass_on_lines()
    _log.info("traces_exported", stage=stage, exporters=_exporters(environment))
    return SpanTracing(provider.get_tracer("songlens"), stage, close=lambda: _shut_down(provider))


def _wanted_by(environment: Mapping[str, str]) -> str | None:
    """Return the variable that asks for traces, or None where none does."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if environment.get(_EXPORTERS, "").strip():
        return _EXPORTERS if _exporters(environment) else None
    return next((name for name in _ADDRESSES if environment.get(name, "").strip()), None)


def _exporters(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the exporters' entry points."""
    named = [name.strip() for name in (environment.get(_EXPORTERS) or "otlp").split(",")]
    return [_otlp(environment) if name == "otlp" else name for name in named if name not in ("", "none")]


def _otlp(environment: Mapping[str, str]) -> str:
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    if protocol not in _OTLP:
        raise ConfigError(f"unknown {_PROTOCOLS[1]} {protocol!r}; use one of: {', '.join(_OTLP)}.")
    return _OTLP[protocol]


def _exporter(name: str) -> Callable[[], Any]:
    found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        raise ConfigError(
            f"no package that is installed exports traces by {name!r}; "
            "songlens[traces] brings OTLP by http/protobuf, and console."
        )
    exporter: Callable[[], Any] = found[0].load()
    return exporter


def _provider(stage: str, consumer: str) -> TracerProvider:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    ours = {
        "service.name": f"songlens-{stage}",
        "service.version": version("songlens"),
        "service.instance.id": consumer,
    }
    # What the environment says of the service goes before ours; Resource.create would have it the other way round.
    return TracerProvider(
        resource=Resource.create({**ours, **OTELResourceDetector().detect().attributes}), shutdown_on_exit=False
    )


def _not_installed(wanted_by: str) -> ConfigError:
    return ConfigError(
        f"{wanted_by} asks for traces, and OpenTelemetry is not installed: pip install 'songlens[traces]'. "
        "OTEL_SDK_DISABLED=true does without traces."
    )


def _shut_down(provider: TracerProvider) -> None:
    """Export what is left. A collector that is away must not hold up a worker that stops."""
    thread = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
    thread.start()
    thread.join(_FLUSH_LIMIT_S)
    if thread.is_alive():
        _log.warning("traces_not_exported", limit_s=_FLUSH_LIMIT_S)


class _Passed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Log a line of OpenTelemetry."""
        _log.log(record.levelno, "opentelemetry", told=record.getMessage().split("\n", 1)[0])


def _pass_on_lines() -> None:
    """Log warnings and errors of OpenTelemetry as ours."""
    logger = logging.getLogger("opentelemetry")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not any(isinstance(handler, _Passed) for handler in logger.handlers):
        logger.addHandler(_Passed())
