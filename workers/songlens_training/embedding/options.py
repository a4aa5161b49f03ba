"""How network embedding is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from songlens_shared.errors import ConfigError
from songlens_training.embedding.sampling import BALANCED, Noise, Sampling

MIN_SAMPLES = 1_000_000
SAMPLES_PER_EDGE = 20
MAX_WALK_STEPS = 100

Start = Literal["propagated", "random"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingOptions:
    """How to train. The paper gives edge sampling, negative sampling and SGD; the rest is LINE's where it is
    not said otherwise. LINE as published is `sampling=LINE, start="random", normalise=False`; SMORe is the same with
    `sampling=SMORE`."""

    dimensions: int = 128
    order: int = 2
    """2: a vertex is near those with alike neighbours, through context vectors. 1: near its own neighbours."""
    samples: int | None = None
    """Edges to draw in all; None: `automatic_samples`."""
    sampling: Sampling = BALANCED
    """What is drawn."""
    negatives: int = 5
    learning_rate: float = 0.025
    """At the start; falls linearly to nothing with the samples done."""
    start: Start = "propagated"
    """Where training begins: contexts averaged over neighbours (`propagation.py`), or LINE's own start:
    vectors even in +-1/(2D), contexts zero."""
    normalise: bool = True
    """Scale the final vectors to length 1, so that Euclidean distance compares directions and not how often
    a vertex was sampled."""
    threads: int | None = None
    """None: all cores. With 1, the same seed gives the same vectors bit for bit."""
    seed: int = 1
    device: str = "auto"
    """Where: "cpu", the compiled loop; "cuda" or "cuda:N", tensors in batches; "auto", the processor, but a GPU where
    there is one for graphs of 100 million edges and more."""


def automatic_samples(edges: int) -> int:
    """Return the default number of samples: 20 an edge, and a million (half a second) at least.

    At the paper's size that is 5 million. The loss still falls slowly beyond, while which songs lie next
    to an image no longer changes.
    """
    return max(MIN_SAMPLES, SAMPLES_PER_EDGE * edges)


def check_options(options: EmbeddingOptions) -> None:
    """Raise `ConfigError` for an option out of range."""
    at_least_one = {"dimensions": options.dimensions, "samples": options.samples, "threads": options.threads}
    for name, value in at_least_one.items():
        if value is not None and value < 1:
            raise ConfigError(f"Embedding {name} must be at least 1, not {value}.")
    if options.order not in (1, 2):
        raise ConfigError(f"The order of proximity is 1 or 2, not {options.order}.")
    if options.negatives < 0:
        raise ConfigError(f"Embedding negatives must not be negative, but are {options.negatives}.")
    if not 0 <= options.learning_rate < 1:
        raise ConfigError(f"The learning rate must be in [0, 1), not {options.learning_rate}.")
    if options.start not in get_args(Start):
        raise ConfigError(f"Unknown start {options.start!r}.")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", options.device):
        raise ConfigError(f"The embedding is trained on auto, cpu, cuda or cuda:N, not on {options.device!r}.")
    _check_sampling(options.sampling, options.order)


def _check_sampling(sampling: Sampling, order: int) -> None:
    if sampling.noise not in get_args(Noise):
        raise ConfigError(f"Unknown noise {sampling.noise!r}.")
    if not 0 <= sampling.walk_steps <= MAX_WALK_STEPS:
        raise ConfigError(f"A walk has up to {MAX_WALK_STEPS} steps, not {sampling.walk_steps}.")
    if sampling.walk_steps > 0 and order == 1:
        raise ConfigError("Walks teach second-order proximity: what they come to needs contexts, which order 1 lacks.")
    if not 0 <= sampling.regularisation < 1:
        raise ConfigError(f"The regularisation must be in [0, 1), not {sampling.regularisation}.")
