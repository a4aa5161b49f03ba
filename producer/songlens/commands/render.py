"""Recommendations as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens.recommendation import Recommendation
from songlens_shared.errors import RequestError
from songlens_shared.messages import Personal

_STEPS = ("queue", "decode", "embed", "search", "songs", "total")


def show(console: Console, title: str, recommendation: Recommendation) -> None:
    """Print neighbour images, songs with the reason for each, and the time that each step took."""
    console.print()
    console.rule(f"[bold]{escape(title)}", align="left")
    console.print(_images(recommendation))
    console.print(_songs(recommendation))
    if recommendation.personal is not None:
        console.print(personal(recommendation.personal))
    known = " · images from the content cache" if recommendation.cached else ""
    console.print(f"[dim]{timings(recommendation.timings_ms)} · model {escape(recommendation.model)}{known}")


def _images(recommendation: Recommendation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Nearest catalogue images", title_justify="left")
    table.add_column("keyword", style="bold")
    table.add_column("distance", justify="right")
    table.add_column("image", overflow="ellipsis", no_wrap=True, style="dim")
    for image in recommendation.images:
        table.add_row(escape(image.keyword), f"{image.distance:.2f}", escape(image.id))
    return table


def _songs(recommendation: Recommendation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Songs", title_justify="left")
    table.add_column("", justify="right", style="dim")
    table.add_column("title", style="bold", overflow="fold")
    table.add_column("artist", overflow="fold")
    table.add_column("keyword")
    table.add_column("line", overflow="fold")
    table.add_column("distance", justify="right")
    for number, song in enumerate(recommendation.songs, 1):
        table.add_row(
            str(number),
            escape(song.title),
            escape(song.artist),
            escape(song.via.keyword),
            escape(song.via.line),
            f"{song.distance:.3f}",
        )
    return table


def personal(taste: Personal) -> str:
    """Return in a sentence what the user had to do with the songs."""
    if not taste.known:
        return "Not personal: the model does not know this user."
    if not taste.user_weight:
        return "Not personal: the user's taste was given no weight."
    return f"Personal: the user's taste has a weight of {taste.user_weight:g}."


def timings(timings_ms: Mapping[str, float]) -> str:
    """Return the time of each step on one line."""
    return " · ".join(f"{step} {timings_ms[step]:.1f} ms" for step in _STEPS if step in timings_ms)


def as_json(recommendation: Recommendation, **more: str) -> str:
    """Return one JSON object on one line."""
    return json.dumps({**more, "status": "ok", **asdict(recommendation)}, ensure_ascii=False)


def queued_json(request_id: str, **more: str) -> str:
    """Return the JSON object of a photo whose songs are not waited for."""
    return json.dumps({**more, "status": "queued", "id": request_id}, ensure_ascii=False)


def error_json(error: RequestError, **more: str) -> str:
    """Return the JSON object of a request that got no songs."""
    return json.dumps(
        {**more, "status": "error", "error": {"code": error.code, "message": error.message}}, ensure_ascii=False
    )
