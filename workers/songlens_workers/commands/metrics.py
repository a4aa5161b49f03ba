"""`songlens metrics`: what waits in the queue, for Prometheus, whether or not any worker is there."""

from __future__ import annotations

from typing import Annotated

import typer

from songlens_workers.commands.worker import Format, LogFormat
from songlens_workers.log import configure_logging
from songlens_workers.settings import MetricsSettings, load_settings


def command(
    redis: Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of /metrics, /live and /ready; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    log_format: Format = LogFormat.CONSOLE,
) -> None:
    """Serve the queue's metrics until Ctrl-C: depth, bytes, lag and age by lane and partition, dead letters, Redis."""
    configure_logging(log_format.value)
    settings = load_settings(MetricsSettings, redis_url=redis, metrics_port=port, metrics_host=host)
    from songlens_workers.exporter.serving import run

    run(settings)
