"""Where songs and images are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Songs = Annotated[Path, typer.Option(help="Songs: .jsonl, .csv or .parquet.")]
Images = Annotated[Path, typer.Option(help="Images: a folder per keyword, or a manifest (.jsonl, .csv, .parquet).")]
