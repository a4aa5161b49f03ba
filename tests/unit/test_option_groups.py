"""A verb takes groups of options; the command line sees each option of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from songlens_training.commands.options.embedding import EmbeddingFlags
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.options.listening import ListeningFlags
from songlens_training.commands.options.measuring import TableFlags
from songlens_training.commands.options.sweeping import SweepFlags
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.evaluate.evaluation import EvaluationOptions
from songlens_training.evaluate.sweep import SweepOptions
from songlens_training.graph.listening_options import ListeningOptions


@dataclass(frozen=True, kw_only=True)
class SizeFlags:
    """A group."""

    width: Annotated[int, typer.Option(min=1)]
    height: Annotated[int, typer.Option("--tall")] = 2


@dataclass(frozen=True, kw_only=True)
class BoxFlags(SizeFlags):
    """A group that has another's options too."""

    depth: int = 3


def run(*arguments: str) -> str:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @grouped
    def verb(name: Annotated[str, typer.Argument()], box: BoxFlags, loud: bool = False) -> None:
        """Print what has been given."""
        typer.echo(f"{name} {box} {loud}")

    result = CliRunner().invoke(app, list(arguments))
    if result.exit_code:
        raise ValueError(result.output)
    return result.output.strip()


def test_options_of_a_group_are_the_verbs_own() -> None:
    """Names, defaults, limits, an inherited group and what follows it: all as if the verb had listed them."""
    assert run("a", "--width", "4") == "a BoxFlags(width=4, height=2, depth=3) False"
    given = run("a", "--loud", "--depth", "6", "--tall", "5", "--width", "4")
    assert given == "a BoxFlags(width=4, height=5, depth=6) True"
    help_text = run("--help")
    assert "Print what has been given" in help_text
    assert "box" not in help_text
    for wrong in (["a"], ["a", "--width", "0"], ["a", "--width", "4", "--height", "5"]):
        with pytest.raises(ValueError, match=r"width|height"):
            run(*wrong)


def test_what_is_not_given_is_the_librarys_default() -> None:
    """The command line and the Python interface do the same."""
    assert EmbeddingFlags().options() == EmbeddingOptions()
    assert ListeningFlags().options() == ListeningOptions()
    assert TableFlags().options() == EvaluationOptions()
    assert SweepFlags().options() == SweepOptions()
