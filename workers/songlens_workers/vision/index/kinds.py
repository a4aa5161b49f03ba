"""Kinds of image index, and the files of each in a model version."""

from __future__ import annotations

from enum import StrEnum

from songlens_workers.models.manifest import (
    IMAGE_CLUSTERS,
    IMAGE_CODE_AXES,
    IMAGE_CODE_TERMS,
    IMAGE_CODES,
    IMAGE_INDEX,
)


class IndexKind(StrEnum):
    """What an image index holds."""

    FLAT = "flat"
    """float32 vectors."""

    FLAT16 = "flat16"
    """float32 vectors, searched by bfloat16 codes; exact."""

    SQ8 = "sq8"
    """float16 vectors, searched by 8-bit codes."""

    PCA = "pca"
    """float16 vectors, searched by 8-bit codes of their principal components."""

    IVF = "ivf"
    """float16 vectors, searched by 8-bit codes of the nearest clusters."""


_CODES = frozenset({IMAGE_CODES, IMAGE_CODE_TERMS, IMAGE_CODE_AXES})


def files_of(kind: IndexKind) -> frozenset[str]:
    """Return the names of its files; the vectors are in the first of them whatever the kind."""
    besides = {IndexKind.FLAT: frozenset[str](), IndexKind.IVF: frozenset({IMAGE_CLUSTERS})}
    return frozenset({IMAGE_INDEX}) | besides.get(kind, _CODES)
