"""How the network embedding is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import typer

from songlens_shared.errors import ConfigError
from songlens_training.embedding.options import MAX_WALK_STEPS, EmbeddingOptions, Start, check_options
from songlens_training.embedding.sampling import SAMPLINGS, Noise, Sampling, SamplingName

_option = partial(typer.Option, rich_help_panel="Network embedding")


@dataclass(frozen=True, kw_only=True)
class TrainingFlags:
    """The method of training."""

    order: Annotated[
        int, _option(help="2: vertices with alike neighbours lie near; 1: neighbours do.", min=1, max=2)
    ] = 2
    sampling: Annotated[
        SamplingName,
        _option(help="What training draws: balanced (our own), line or smore (as those tools do), hpe (random walks)."),
    ] = "balanced"
    noise: Annotated[
        Noise | None,
        _option(
            help="Negatives from vertices of the target's type (typed) or from all; by default as the sampling has it."
        ),
    ] = None
    walk_steps: Annotated[int | None, _option(help="Steps of hpe's walks; 5.", min=1, max=MAX_WALK_STEPS)] = None
    regularisation: Annotated[
        float | None, _option(help="How much vectors shrink while they are learned; hpe 0.01, else 0.", min=0.0)
    ] = None
    negatives: Annotated[int, _option(help="Negatives of each sample.", min=0)] = 5
    learning_rate: Annotated[float, _option(help="Learning rate at the start; falls linearly to 0.")] = 0.025
    start: Annotated[
        Start, _option(help="propagated: contexts averaged over neighbours; random: near zero, as in LINE.")
    ] = "propagated"
    normalise: Annotated[bool, _option(help="Scale the NE vectors to length 1.")] = True
    threads: Annotated[int | None, _option(help="Threads; 1 makes the NE repeatable bit for bit.")] = None

    def trained(
        self, *, dimensions: int = 128, samples: int | None = None, seed: int = 1, device: str = "auto"
    ) -> EmbeddingOptions:
        """Return the options that these values make. Raises `ConfigError` for options out of range."""
        options = EmbeddingOptions(
            dimensions=dimensions,
            order=self.order,
            samples=samples,
            sampling=self._sampling(),
            negatives=self.negatives,
            learning_rate=self.learning_rate,
            start=self.start,
            normalise=self.normalise,
            threads=self.threads,
            seed=seed,
            device=device,
        )
        check_options(options)
        return options

    def _sampling(self) -> Sampling:
        sampling = SAMPLINGS[self.sampling]
        if self.noise is not None:
            sampling = replace(sampling, noise=self.noise)
        if self.walk_steps is not None and sampling.walk_steps == 0:
            raise ConfigError(f"--walk-steps belongs to walks (--sampling hpe), not to {self.sampling}.")
        return replace(
            sampling,
            walk_steps=sampling.walk_steps if self.walk_steps is None else self.walk_steps,
            regularisation=sampling.regularisation if self.regularisation is None else self.regularisation,
        )


@dataclass(frozen=True, kw_only=True)
class EmbeddingFlags(TrainingFlags):
    """The size of it as well."""

    dimensions: Annotated[int, _option(help="Dimensions of the NE vectors.")] = 128
    samples: Annotated[int | None, _option(help="Edges to sample; by default chosen from their number.")] = None
    seed: Annotated[int, _option(help="Seed of the network embedding.")] = 1

    def options(self, device: str = "auto") -> EmbeddingOptions:
        """Return the options that these values make. Raises `ConfigError` for options out of range."""
        return self.trained(dimensions=self.dimensions, samples=self.samples, seed=self.seed, device=device)


EmbeddingDevice = Annotated[str, _option(help="Where the NE is trained: auto, cpu, cuda or cuda:N.")]
