"""What a person gets for a photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from songlens_shared.errors import BadRequest
from songlens_shared.messages import NeighbourImage, Personal, Reply, Song


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation:
    """Songs for one photo, and why."""

    id: str
    """The request's id."""

    model: str
    """The model version that every song comes from."""

    songs: tuple[Song, ...]
    images: tuple[NeighbourImage, ...]
    """The catalogue images nearest to the photo, nearest first."""

    timings_ms: Mapping[str, float]
    """queue, decode, embed, search, songs and total, in milliseconds; decode, embed and search are 0 where `cached`."""

    personal: Personal | None = None
    """What the user had to do with the songs; None where the request named none."""

    cached: bool = False
    """The images were known: a vision worker had searched the same bytes in the same model version a while ago."""

    @classmethod
    def from_reply(cls, reply: Reply) -> Recommendation:
        """Return the recommendation in a reply; raises its typed error, or `BadRequest` for features instead."""
        if reply.error is not None:
            raise reply.error.exception()
        if reply.features is not None:
            raise BadRequest(f"request {reply.id} asked for features, and has no songs; `Client.features` gives them.")
        return cls(
            id=reply.id,
            model=reply.model or "",
            songs=reply.songs,
            images=reply.images,
            timings_ms=reply.timings_ms,
            personal=reply.personal,
            cached=reply.cached,
        )
