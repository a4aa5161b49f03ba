"""What a run has collected, as collect.json holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from songlens_training.catalogue.tables import RowSummary

FORMAT = 1
KIND = "collected"


@dataclass(frozen=True, kw_only=True)
class KeywordReport:
    """What became of one keyword."""

    wanted: int
    images: int
    """Images of the catalogue that bear it; may be more than wanted, for others bring it along."""
    refused: Mapping[str, int]
    """Why candidates were refused, the commonest reason first."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run has collected."""

    images: int
    keywords: Mapping[str, KeywordReport]
    merged_same: int
    """Candidates whose content equalled that of an image."""
    merged_near: int
    """Candidates that looked like an image."""
    licences: Mapping[str, int]
    """Images by licence; an empty one is unknown."""
    untranslated: tuple[str, ...]
    """Keywords that were searched as they are."""
    passing: int
    """Candidates and searches that failed and that another run may get."""
    sources: tuple[RowSummary, ...]
    """What the sources' own rows were worth."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "format": FORMAT,
            "kind": KIND,
            "images": self.images,
            "keywords": {
                keyword: {"wanted": about.wanted, "images": about.images, "refused": dict(about.refused)}
                for keyword, about in self.keywords.items()
            },
            "merged": {"same_content": self.merged_same, "near_duplicates": self.merged_near},
            "licences": dict(self.licences),
            "untranslated": list(self.untranslated),
            "may_succeed_later": self.passing,
            "sources": {
                about.source: {"accepted": about.accepted, "refused": dict(about.refused)} for about in self.sources
            },
        }
