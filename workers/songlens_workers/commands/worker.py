"""`songlens worker vision|songs|jobs|schedule|drain`: run one stage, jobs, or schedules; empty a worker."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from songlens_shared.errors import ConfigError
from songlens_workers.commands.fleet import run_fleet, vision_fleet
from songlens_workers.log import configure_logging
from songlens_workers.settings import JobsSettings, SongsSettings, VisionSettings, known_settings, load_settings
from songlens_workers.threads import sleep_while_waiting

command = typer.Typer(no_args_is_help=True, help="Run a worker: one stage of the pipeline, until it is stopped.")


class LogFormat(StrEnum):
    """How log lines are written."""

    CONSOLE = "console"
    JSON = "json"


Redis = Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")]
JobsRedis = Annotated[
    str | None, typer.Option("--jobs-redis", help="Address of the Redis that holds the jobs, where it is another.")
]
MaxBatch = Annotated[int | None, typer.Option(help="Largest batch.")]
MaxDelay = Annotated[float | None, typer.Option("--max-delay-ms", help="How long a batch waits for more.")]
MetricsPort = Annotated[int | None, typer.Option(help="Port of /metrics, /live and /ready; 0 takes a free one.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other setting of docs/configuration.md.")
]
Format = Annotated[LogFormat, typer.Option("--log-format", help="How log lines are written.")]
Debug = Annotated[bool, typer.Option("--debug", help="Log everything there is to tell, libraries' lines included.")]


@command.command("vision")
def vision(
    redis: Redis = None,
    models: Annotated[str | None, typer.Option(help="Folder or object-store prefix of model versions.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Backbone to give features with before any model is published.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Local file of the backbone's weights.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    processes: Annotated[int | None, typer.Option(help="Processes; by default one for each of --devices.")] = None,
    devices: Annotated[str | None, typer.Option(help="Devices that processes take in turns: cuda:0,cuda:1.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the forward pass.")] = None,
    max_batch: MaxBatch = None,
    max_delay_ms: MaxDelay = None,
    metrics_port: MetricsPort = None,
    set_: Set = None,
    log_format: Format = LogFormat.CONSOLE,
    debug: Debug = False,
) -> None:
    """Photos in, neighbour images out: VGG-19 features and FAISS search."""
    configure_logging(log_format.value, debug=debug)
    options = {
        "redis_url": redis,
        "models": models,
        "backbone": backbone,
        "weights": weights,
        "device": device,
        "processes": processes,
        "devices": devices,
        "threads": threads,
        "max_batch": max_batch,
        "max_delay_ms": max_delay_ms,
        "metrics_port": metrics_port,
    }
    given = {**options, **_assignments(set_)}
    settings = load_settings(VisionSettings, **given)
    if settings.process_count > 1 or settings.devices:
        run_fleet(vision_fleet(settings, given, ["--log-format", log_format.value, *(["--debug"] if debug else [])]))
        return
    sleep_while_waiting()
    from songlens_workers.vision.worker import run

    run(settings)


@command.command("songs")
def songs(
    redis: Redis = None,
    max_batch: MaxBatch = None,
    max_delay_ms: MaxDelay = None,
    metrics_port: MetricsPort = None,
    set_: Set = None,
    log_format: Format = LogFormat.CONSOLE,
    debug: Debug = False,
) -> None:
    """Neighbour images in, songs out: nearest network-embedding vectors."""
    configure_logging(log_format.value, debug=debug)
    options = {
        "redis_url": redis,
        "max_batch": max_batch,
        "max_delay_ms": max_delay_ms,
        "metrics_port": metrics_port,
    }
    settings = load_settings(SongsSettings, **{**options, **_assignments(set_)})
    from songlens_workers.songs.worker import run

    run(settings)


@command.command("jobs")
def jobs(
    redis: Redis = None,
    jobs_redis: JobsRedis = None,
    processes: Annotated[int | None, typer.Option(help="Jobs that run at once.")] = None,
    burst: Annotated[bool, typer.Option("--burst", help="End when no job waits.")] = False,
    metrics_port: MetricsPort = None,
    set_: Set = None,
    log_format: Format = LogFormat.CONSOLE,
    debug: Debug = False,
) -> None:
    """Work in the background: batches, shard after shard, and the features of distributed builds."""
    configure_logging(log_format.value, debug=debug)
    options = {
        "redis_url": redis,
        "jobs_redis_url": jobs_redis,
        "job_processes": processes,
        "metrics_port": metrics_port,
    }
    from songlens_batch.jobs.pool import run_pool

    run_pool(load_settings(JobsSettings, **{**options, **_assignments(set_)}), burst=burst)


@command.command("schedule")
def schedule(
    file: Annotated[Path, typer.Argument(help="TOML file of schedules: [[batch]] and [[retrain]].", metavar="FILE")],
    redis: Redis = None,
    jobs_redis: JobsRedis = None,
    set_: Set = None,
    log_format: Format = LogFormat.CONSOLE,
    debug: Debug = False,
) -> None:
    """Queue batches and retraining at set times; job workers run them. Several schedulers queue each but once."""
    configure_logging(log_format.value, debug=debug)
    from songlens_batch.schedule.scheduler import run_schedules

    options = {"redis_url": redis, "jobs_redis_url": jobs_redis}
    run_schedules(file, load_settings(JobsSettings, **{**options, **_assignments(set_)}))


@command.command("drain")
def drain(
    pid: Annotated[int, typer.Argument(help="Process id of the worker's command; 1 in a container.")],
    metrics_port: MetricsPort = None,
    processes: Annotated[int | None, typer.Option(help="Processes of that worker.")] = None,
) -> None:
    """Have a vision or song worker claim nothing more, and wait until it holds nothing; then it may be stopped."""
    from songlens_workers.commands.drain import drain_worker

    settings = load_settings(VisionSettings, metrics_port=metrics_port, processes=processes)
    drain_worker(pid, settings)


def _assignments(pairs: list[str] | None) -> dict[str, str]:
    """Read NAME=VALUE; raises `ConfigError` for a name that is no setting."""
    known = known_settings()
    assigned = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or name not in known:
            raise ConfigError(f"--set {pair}: give NAME=VALUE with one of: {', '.join(sorted(known))}.")
        assigned[name] = value
    return assigned
