"""Options that several verbs share: the catalogue, the backbone, the keywords, the network embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from songlens_training.embedding.options import MAX_WALK_STEPS, Start
from songlens_training.embedding.sampling import Noise, SamplingName
from songlens_training.graph.listening_options import Weighting

_VISION = "Image features"
_KEYWORDS = "Keywords"
_EMBEDDING = "Network embedding"
_LISTENING = "Listening behaviour"

Songs = Annotated[Path, typer.Option(help="Songs: .jsonl, .csv or .parquet.")]
Images = Annotated[Path, typer.Option(help="Images: a folder per keyword, or a manifest (.jsonl, .csv, .parquet).")]

BackboneName = Annotated[str, typer.Option("--backbone", help="vgg19 or efficientnet_lite2.", rich_help_panel=_VISION)]
Weights = Annotated[Path | None, typer.Option(help="Local file of the backbone's weights.", rich_help_panel=_VISION)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_VISION)]

KeywordCount = Annotated[
    int, typer.Option("--keywords", help="Keywords to keep at most.", rich_help_panel=_KEYWORDS, min=1)
]
Titles = Annotated[bool, typer.Option(help="Count the words of titles too.", rich_help_panel=_KEYWORDS)]
Folding = Annotated[
    bool, typer.Option(help="Read traditional characters as simplified ones.", rich_help_panel=_KEYWORDS)
]
Dictionaries = Annotated[
    list[Path] | None,
    typer.Option("--dictionary", help="Words of your own, in jieba's format; repeatable.", rich_help_panel=_KEYWORDS),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag", help="Part of speech of words that no image bears; repeatable; nouns.", rich_help_panel=_KEYWORDS
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        help="Word that may be a keyword whatever its length and part of speech; repeatable.", rich_help_panel=_KEYWORDS
    ),
]
AllowFiles = Annotated[
    list[Path] | None,
    typer.Option("--allow-file", help="File of such words, one a line; repeatable.", rich_help_panel=_KEYWORDS),
]
Deny = Annotated[
    list[str] | None, typer.Option(help="Word that must not be a keyword; repeatable.", rich_help_panel=_KEYWORDS)
]
DenyFiles = Annotated[
    list[Path] | None,
    typer.Option("--deny-file", help="File of such words, one a line; repeatable.", rich_help_panel=_KEYWORDS),
]
MinLength = Annotated[
    int,
    typer.Option(help="Characters of a keyword that is not allowed by name.", rich_help_panel=_KEYWORDS, min=1),
]
MinSongs = Annotated[int, typer.Option(help="Songs that must hold a keyword.", rich_help_panel=_KEYWORDS, min=1)]
MaxSongShare = Annotated[
    float, typer.Option(help="Share of the songs that may hold a keyword.", rich_help_panel=_KEYWORDS, max=1.0)
]
MinOccurrences = Annotated[
    int, typer.Option(help="Times that a keyword must occur in all songs together.", rich_help_panel=_KEYWORDS, min=1)
]

Dimensions = Annotated[int, typer.Option(help="Dimensions of the NE vectors.", rich_help_panel=_EMBEDDING)]
Samples = Annotated[
    int | None,
    typer.Option(help="Edges to sample; by default chosen from their number.", rich_help_panel=_EMBEDDING),
]
Seed = Annotated[int, typer.Option(help="Seed of the network embedding.", rich_help_panel=_EMBEDDING)]
Threads = Annotated[
    int | None, typer.Option(help="Threads; 1 makes the NE repeatable bit for bit.", rich_help_panel=_EMBEDDING)
]

Order = Annotated[
    int,
    typer.Option(
        help="2: vertices with alike neighbours lie near; 1: neighbours do.",
        rich_help_panel=_EMBEDDING,
        min=1,
        max=2,
    ),
]
Sampling = Annotated[
    SamplingName,
    typer.Option(
        "--sampling",
        help="What training draws: balanced (our own), line or smore (as those tools do), hpe (random walks).",
        rich_help_panel=_EMBEDDING,
    ),
]
NoiseKind = Annotated[
    Noise | None,
    typer.Option(
        "--noise",
        help="Negatives from vertices of the target's type (typed) or from all; by default as the sampling has it.",
        rich_help_panel=_EMBEDDING,
    ),
]
WalkSteps = Annotated[
    int | None, typer.Option(help="Steps of hpe's walks; 5.", rich_help_panel=_EMBEDDING, min=1, max=MAX_WALK_STEPS)
]
Regularisation = Annotated[
    float | None, typer.Option(help="How much hpe shrinks vectors; 0.01.", rich_help_panel=_EMBEDDING, min=0.0)
]
Negatives = Annotated[int, typer.Option(help="Negatives of each sample.", rich_help_panel=_EMBEDDING, min=0)]
LearningRate = Annotated[
    float, typer.Option(help="Learning rate at the start; falls linearly to 0.", rich_help_panel=_EMBEDDING)
]
StartKind = Annotated[
    Start,
    typer.Option(
        "--start",
        help="propagated: contexts averaged over neighbours; random: near zero, as in LINE.",
        rich_help_panel=_EMBEDDING,
    ),
]
Normalise = Annotated[bool, typer.Option(help="Scale the NE vectors to length 1.", rich_help_panel=_EMBEDDING)]

ListeningLog = Annotated[
    Path | None,
    typer.Option("--listening", help="Listening log: .jsonl, .csv or .parquet.", rich_help_panel=_LISTENING),
]
ListeningStrength = Annotated[
    float,
    typer.Option(help="Mean weight of a listening edge; that of a keyword's edge is 1.", rich_help_panel=_LISTENING),
]
ListeningHalfLife = Annotated[
    float | None,
    typer.Option(
        help="Days after which a play weighs half as much; without it age does not matter.",
        rich_help_panel=_LISTENING,
        metavar="DAYS",
    ),
]
ListeningWeight = Annotated[
    Weighting, typer.Option(help="ln(1 + plays), plays, or 1 however often.", rich_help_panel=_LISTENING)
]
ListeningMinSongs = Annotated[
    int, typer.Option(help="Songs that a user must have played.", rich_help_panel=_LISTENING, min=1)
]
