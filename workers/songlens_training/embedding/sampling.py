"""How the edges, walks and negatives are drawn that network embedding learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

NOISE_POWER = 0.75
"""Negatives are drawn in proportion to degree^0.75."""

Noise = Literal["typed", "all"]
SamplingName = Literal["balanced", "line", "smore", "hpe"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is drawn for a training sample. The named ones below are those worth using."""

    source_power: float
    """A source vertex is drawn in proportion to degree^source_power, then its neighbour."""
    neighbour_power: float
    """Neighbours are drawn in proportion to weight^neighbour_power."""
    noise: Noise
    """Where negatives come from: vertices of the target's type, as in PTE (KDD 2015), LINE's own extension to
    heterogeneous graphs; or all vertices, as in LINE. By degree^0.75 in both."""
    walk_steps: int = 0
    """0: the edge is the sample. Else the edge begins a random walk of so many steps, and each vertex it comes to is
    the target of a sample of its own."""
    regularisation: float = 0.0
    """By so much of themselves, times the learning rate, vectors and contexts shrink whenever they are learned from."""


BALANCED = Sampling(source_power=0.75, neighbour_power=1.0, noise="typed")
"""Edges by weight within a source, sources by degree^0.75: a few keywords hold most of the weight, and the others are
seen sooner. A song is told from songs, not from keywords."""

LINE = Sampling(source_power=1.0, neighbour_power=1.0, noise="all")
"""As Tang et al. published it (WWW 2015): edges in proportion to their weight, negatives among all vertices."""

SMORE = Sampling(source_power=0.75, neighbour_power=0.75, noise="all")
"""As the SMORe toolkit does it: its alias tables raise every distribution to 0.75, whatever power is asked for."""

HPE = Sampling(source_power=0.75, neighbour_power=0.75, noise="all", walk_steps=5, regularisation=0.01)
"""As SMORe's `hpe`, after Chen et al., "Query-based Music Recommendations via Preference Embedding" (RecSys 2016): a
vertex learns from all that a short walk comes to. SMORe counts a walk as one sample; here it is `walk_steps` + 1."""

SAMPLINGS: Mapping[SamplingName, Sampling] = {"balanced": BALANCED, "line": LINE, "smore": SMORE, "hpe": HPE}
