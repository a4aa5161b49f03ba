"""The network-embedding options of the command line as `EmbeddingOptions`."""

from __future__ import annotations

from dataclasses import replace

from songlens_shared.errors import ConfigError
from songlens_training.embedding.options import EmbeddingOptions, Start, check_options
from songlens_training.embedding.sampling import SAMPLINGS, Noise, Sampling, SamplingName


def embedding_options(
    *,
    dimensions: int = 128,
    order: int = 2,
    samples: int | None = None,
    sampling: SamplingName = "balanced",
    noise: Noise | None = None,
    walk_steps: int | None = None,
    regularisation: float | None = None,
    negatives: int = 5,
    learning_rate: float = 0.025,
    start: Start = "propagated",
    normalise: bool = True,
    threads: int | None = None,
    seed: int = 1,
    device: str = "auto",
) -> EmbeddingOptions:
    """Return the options that these values of the command line make. Raises `ConfigError` for options out of range."""
    options = EmbeddingOptions(
        dimensions=dimensions,
        order=order,
        samples=samples,
        sampling=_sampling(sampling, noise, walk_steps, regularisation),
        negatives=negatives,
        learning_rate=learning_rate,
        start=start,
        normalise=normalise,
        threads=threads,
        seed=seed,
        device=device,
    )
    check_options(options)
    return options


def _sampling(
    name: SamplingName, noise: Noise | None, walk_steps: int | None, regularisation: float | None
) -> Sampling:
    sampling = SAMPLINGS[name]
    if noise is not None:
        sampling = replace(sampling, noise=noise)
    if sampling.walk_steps > 0:
        return replace(
            sampling,
            walk_steps=sampling.walk_steps if walk_steps is None else walk_steps,
            regularisation=sampling.regularisation if regularisation is None else regularisation,
        )
    if walk_steps is not None or regularisation is not None:
        raise ConfigError(f"--walk-steps and --regularisation belong to walks (--sampling hpe), not to {name}.")
    return sampling
