"""`songlens doctor`: is everything there that a photo needs to get songs, and how is each fault mended?"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from redis import Redis
from rich.console import Console
from rich.markup import escape

from songlens_shared.address import home, resolve_partitions, resolve_url, safe_url
from songlens_shared.broker import broker_errors, open_redis
from songlens_shared.errors import BrokerError, ConfigError, ModelError
from songlens_shared.functions import library_source
from songlens_shared.keys import LANES, SONGS_GROUP, VISION_GROUP, PartitionKeys
from songlens_shared.server import library_revision, load_functions, loaded_revision, server_info
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore

_ACTIVE_MS = 15_000
_LEAST_FREE_BYTES = 2 * 2**30

Verdict = Literal["ok", "note", "fault"]
_MARKS: dict[Verdict, str] = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "fault": "[red]✗[/]"}


@dataclass(frozen=True)
class Finding:
    """What one check saw."""

    verdict: Verdict
    what: str
    mend: str = ""


def command(
    redis: Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")] = None,
    models: Annotated[str | None, typer.Option(help="Folder or object-store prefix of model versions.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Local file of VGG-19's weights.")] = None,
) -> None:
    """Check Redis, functions, model, workers, weights, GPU and disk, and say how to mend what is wrong."""
    console = Console()
    url = resolve_url(redis)
    store = ModelStore(models or str(home() / "models"))
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _redis(url),
        lambda: _model(url, store),
        lambda: _workers(url),
        lambda: _weights(weights),
        _gpu,
        _disk,
    ]
    findings = [finding for check in checks for finding in check()]
    for finding in findings:
        console.print(f"{_MARKS[finding.verdict]} {escape(finding.what)}", highlight=False)
        if finding.mend:
            console.print(f"    [dim]{escape(finding.mend)}", highlight=False)
    raise typer.Exit(1 if any(finding.verdict == "fault" for finding in findings) else 0)


def _redis(url: str) -> Iterator[Finding]:
    try:
        with broker_errors(url), open_redis(url, retries=0) as connection:
            info = server_info(connection)
            yield Finding("ok", f"{info} answers at {safe_url(url)}")
            loaded = load_functions(connection)
            yield _library(loaded_revision(connection), library_revision(library_source()), loaded=loaded)
    except BrokerError as error:
        yield Finding("fault", f"Redis: {error.message}")


def _library(there: int, ours: int, *, loaded: bool) -> Finding:
    if there > ours:
        what = (
            f"the functions library is of a newer release (revision {there}, ours is {ours}), which serves this one too"
        )
        return Finding("note", what, "On the way back to this release for good, see ops/runbook.md, Upgrade.")
    state = "was missing or older and is now loaded" if loaded else "is loaded"
    return Finding("ok", f"the functions library {state} (revision {there})")


def _model(url: str, store: ModelStore) -> Iterator[Finding]:
    try:
        on_disk = store.versions()
        yield Finding("ok" if on_disk else "note", f"{len(on_disk)} model versions in {store}")
        with broker_errors(url), open_redis(url, retries=0) as connection:
            current = PublishedModels(connection).current()
            if current is None:
                yield Finding("fault", "no model version is published", _publish_advice(on_disk))
                return
            manifest = PublishedModels(connection).manifest(current)
            counts = f"{manifest.songs} songs, {manifest.images} images, {manifest.backbone.name}"
            yield Finding("ok", f"model {current} is live ({counts})")
            store.open(current)
            yield Finding("ok", "its files are whole")
    except BrokerError:
        yield Finding("fault", "the live model cannot be looked up without Redis")
    except (ModelError, ConfigError) as error:
        yield Finding("fault", error.message)


def _publish_advice(on_disk: list[str]) -> str:
    if on_disk:
        return f"songlens model publish {on_disk[-1]}"
    return "songlens model build --songs FILE --images FOLDER, then songlens model publish"


def _workers(url: str) -> Iterator[Finding]:
    try:
        with broker_errors(url), open_redis(url, retries=0) as connection:
            partitions = [PartitionKeys(partition) for partition in range(resolve_partitions())]
            for lane in LANES:
                yield _attended(connection, [keys.requests(lane) for keys in partitions], VISION_GROUP)
            yield _attended(connection, [keys.hits for keys in partitions], SONGS_GROUP)
    except BrokerError:
        yield Finding("fault", "workers cannot be looked up without Redis")


def _attended(connection: Redis, streams: list[str], group: str) -> Finding:
    """Say who consumes the same stream of every partition, and what waits there."""
    waiting = sum(connection.xlen(stream) for stream in streams)
    consumers = [
        consumer
        for stream in streams
        if connection.exists(stream)
        for consumer in connection.xinfo_consumers(stream, group)
    ]
    active = len({consumer["name"] for consumer in consumers if consumer["idle"] < _ACTIVE_MS})
    others = f" and {len(streams) - 1} more partitions" if len(streams) > 1 else ""
    what = f"{streams[0]}{others}: {active} workers active, {waiting} requests waiting or in flight"
    return Finding("ok" if active else "note", what, "" if active else f"songlens worker {group}")


def _weights(weights: Path | None) -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return
    from songlens_workers.vision.weights import VGG19_FILE, cache_folder

    found = weights or cache_folder() / VGG19_FILE
    if found.is_file():
        yield Finding("ok", f"VGG-19 weights: {found} ({found.stat().st_size / 2**20:.0f} MiB)")
    else:
        mend = "They are downloaded when first needed; without a network give a file: --weights FILE."
        yield Finding("note", "VGG-19 weights are not on this machine", mend)


def _gpu() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding("note", "torch is not installed here", "pip install 'songlens[workers]'")
        return
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        yield Finding("ok", f"GPU: {', '.join(names)} (torch {torch.__version__})")
    else:
        yield Finding("note", f"no GPU can be used; vision workers run on the CPU (torch {torch.__version__})")


def _disk() -> Iterator[Finding]:
    folder = home()
    while not folder.exists():
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    verdict: Verdict = "ok" if free_bytes >= _LEAST_FREE_BYTES else "fault"
    mend = "" if verdict == "ok" else "Free some space, or set SONGLENS_HOME to a folder on another disk."
    yield Finding(verdict, f"{free_bytes / 2**30:.1f} GiB free for {home()}", mend)
