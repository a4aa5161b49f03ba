"""What a program gets for a photo whose features it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from songlens_shared.errors import UnsupportedVersion
from songlens_shared.messages import Reply


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoFeatures:
    """The feature of one photo.

    NumPy reads it by `numpy.frombuffer(features.data, "<f4")`, or `"<f2"` where `dtype` is float16.
    """

    id: str
    """The request's id."""

    data: bytes = field(repr=False)
    """`dimensions` numbers, little-endian. Never shown: they tell what is on the photo."""

    dtype: str
    """float32 or float16."""

    dimensions: int
    """D, how many numbers there are."""

    backbone: str
    """Fingerprint of the backbone that made it: name and hash of weights, preprocessing and precision."""

    model: str | None
    """The model version that was live in the worker; None before any is published."""

    timings_ms: Mapping[str, float]
    """queue, decode, embed and total, in milliseconds."""

    @classmethod
    def from_reply(cls, reply: Reply) -> PhotoFeatures:
        """Return the features in a reply; raises the reply's typed error, or `UnsupportedVersion` for songs instead."""
        if reply.error is not None:
            raise reply.error.exception()
        features = reply.features
        if features is None:
            raise UnsupportedVersion(
                "the vision workers are of an earlier release, which knows no features and answered with songs; "
                "bring them to the release of this client."
            )
        return cls(
            id=reply.id,
            data=features.data,
            dtype=features.dtype,
            dimensions=features.dimensions,
            backbone=features.backbone,
            model=reply.model,
            timings_ms=reply.timings_ms,
        )
