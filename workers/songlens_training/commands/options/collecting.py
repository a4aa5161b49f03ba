"""Which images are collected, and how the web is asked for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from songlens_training.collect.checks import ImageChecks
    from songlens_training.collect.openverse import OpenverseOptions
    from songlens_training.collect.web import WebOptions

_image_option = partial(typer.Option, rich_help_panel="Which images")
_openverse_option = partial(typer.Option, rich_help_panel="Openverse")
_web_option = partial(typer.Option, rich_help_panel="How the web is asked")


@dataclass(frozen=True, kw_only=True)
class ImageFlags:
    """Which images are taken."""

    licences: Annotated[str, _image_option(help="Codes, such as cc0,pdm,by,by-sa; without it, any.")] = ""
    min_side: Annotated[int, _image_option(help="Pixels of the short side.", min=1)] = 100
    max_mebibytes: Annotated[int, _image_option(help="Size of an image file at most.", min=1)] = 32
    near_duplicates: Annotated[
        int,
        _image_option(
            help="Images whose perceptual hashes differ in so many of 64 bits are one; -1 keeps all but equal files.",
            min=-1,
            max=32,
        ),
    ] = 4

    def checks(self) -> ImageChecks:
        """Return what is asked of a file."""
        from songlens_training.collect.checks import ImageChecks
        from songlens_workers.vision.limits import ImageLimits

        return ImageChecks(limits=ImageLimits(max_image_bytes=self.max_mebibytes << 20), min_side=self.min_side)


@dataclass(frozen=True, kw_only=True)
class OpenverseFlags:
    """How Openverse is searched."""

    openverse_url: Annotated[str, _openverse_option(help="Address of the Openverse service.")] = (
        "https://api.openverse.org"
    )
    token: Annotated[
        str | None, _openverse_option(help="Access token of Openverse.", envvar="SONGLENS_OPENVERSE_TOKEN")
    ] = None
    page_size: Annotated[int, _openverse_option(help="Results a page; more than 20 need a token.", min=1, max=500)] = 20
    search_interval: Annotated[float, _openverse_option(help="Seconds from one search to the next.", min=0)] = 1.0

    def options(self) -> OpenverseOptions:
        """Return the options that these values make."""
        from songlens_training.collect.openverse import OpenverseOptions

        return OpenverseOptions(
            base_url=self.openverse_url,
            token=self.token,
            page_size=self.page_size,
            interval_s=self.search_interval,
        )


@dataclass(frozen=True, kw_only=True)
class WebFlags:
    """How hosts are asked."""

    contact: Annotated[
        str, _web_option(help="Mail address or page that the User-Agent names; some hosts ask for it.")
    ] = ""
    per_host: Annotated[int, _web_option(help="Requests to one host at the same time.", min=1)] = 2
    interval: Annotated[float, _web_option(help="Seconds between requests to one host.", min=0)] = 0.2
    connections: Annotated[int, _web_option(help="Requests at the same time in all.", min=1)] = 16
    attempts: Annotated[int, _web_option(help="Attempts at each image.", min=1)] = 4
    timeout: Annotated[float, _web_option(help="Seconds to wait for the next bytes.", min=0.1)] = 20.0
    allow_private: Annotated[
        list[str] | None, _web_option(help="Host that may have a private address; repeat it for more.")
    ] = None
    proxy: Annotated[str | None, _web_option(help="http:// URL of a proxy.")] = None

    def options(self) -> WebOptions:
        """Return the options that these values make."""
        from songlens_training.collect.politeness import Politeness
        from songlens_training.collect.retry import RetryPolicy
        from songlens_training.collect.web import WebOptions

        return WebOptions(
            politeness=Politeness(per_host=self.per_host, interval_s=self.interval, connections=self.connections),
            retry=RetryPolicy(attempts=self.attempts),
            read_timeout_s=self.timeout,
            contact=self.contact,
            allow_private=frozenset(self.allow_private or ()),
            proxy=self.proxy,
        )
