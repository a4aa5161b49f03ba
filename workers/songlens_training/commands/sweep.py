"""`songlens eval sweep`: what dimensions, samples and the shape of a list do to the recommendations."""

from __future__ import annotations

from rich.console import Console

from songlens_training.commands.experiment import learn_experiment
from songlens_training.commands.options.backbone import BackboneFlags
from songlens_training.commands.options.catalogue import Images, Songs
from songlens_training.commands.options.embedding import EmbeddingDevice, TrainingFlags
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.options.keywords import KeywordFlags
from songlens_training.commands.options.measuring import MeasuringFlags, Out
from songlens_training.commands.options.sweeping import SweepFlags
from songlens_training.commands.progress import progress_bars


@grouped
def sweep(
    songs: Songs,
    images: Images,
    out: Out,
    varied: SweepFlags,
    measuring: MeasuringFlags,
    vision: BackboneFlags,
    words: KeywordFlags,
    training: TrainingFlags,
    embedding_device: EmbeddingDevice = "auto",
) -> None:
    """Vary what shapes the recommendations, one thing at a time: dimensions, samples, images x songs.

    Lists are separated by commas. Keywords and features are found once; only the network embedding is trained anew.
    """
    from songlens_training.commands.evaluation_screen import show_sweep
    from songlens_training.evaluate.results import open_results
    from songlens_training.evaluate.sweep import run_sweep
    from songlens_training.evaluate.sweep_report import write_sweep
    from songlens_training.model.learn import BuildOptions, Catalogue

    console = Console()
    tried, options = varied.options(), measuring.options()
    base = training.trained(
        dimensions=tried.dimensions[0], samples=tried.samples[0], seed=tried.seeds[0], device=embedding_device
    )
    build = BuildOptions(keywords=words.options(), embedding=base)
    open_results(out)
    with progress_bars(console) as progress:
        sources = measuring.open_sources(progress)
        network = vision.open_chosen(training.threads, progress)
        catalogue = Catalogue(songs=songs, images=images)
        experiment = learn_experiment(catalogue, measuring.query_source(), network, build, out, progress)
        found = run_sweep(experiment, base, tried, sources, options, progress)
        written = write_sweep(out, found, experiment.about)
    show_sweep(console, found, written)
