"""`songlens embed`: any graph in, vectors out, under the names that came in; and every mistake is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import typer
from gensim.models import KeyedVectors
from pyarrow import parquet
from typer.testing import CliRunner

from songlens_shared.errors import ConfigError, DataError
from songlens_training.commands import embed
from songlens_training.commands.options.embedding import EmbeddingFlags
from songlens_training.embedding import train
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.sampling import HPE, LINE, SMORE
from songlens_training.graph.names import PREFIXES
from songlens_training.graph.reading import read_graph

QUICK = ("--samples", "20000", "--dimensions", "8", "--threads", "1")


@pytest.fixture
def app() -> typer.Typer:
    """The verb alone."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(embed.command)
    return app


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """An edge list in LINE's form, its names with no type of ours."""
    path = tmp_path / "net.txt"
    path.write_text("k1 s1 2\nk1 s2 1\nk2 s2 1.5\nk2 i1 1\n", "utf-8")
    return path


def run(app: typer.Typer, *arguments: object) -> str:
    """Run the verb to its end and return what it printed, or raise what it raised."""
    result = CliRunner().invoke(app, [*map(str, arguments), *QUICK], env={"COLUMNS": "200"}, catch_exceptions=True)
    if isinstance(result.exception, SystemExit) or result.exception is None:
        assert result.exit_code == 0, result.output
        return result.output
    raise result.exception


def test_untyped_names_are_embedded_as_they_are(app: typer.Typer, edges: Path, tmp_path: Path) -> None:
    """Vectors, contexts, names and word2vec text are written, all in the order of first appearance."""
    shown = run(app, edges, "--out", tmp_path / "ne")
    vectors, contexts = np.load(tmp_path / "ne.npy"), np.load(tmp_path / "ne.contexts.npy")
    assert vectors.shape == contexts.shape == (5, 8)
    assert (tmp_path / "ne.vertices.txt").read_text("utf-8").split() == ["k1", "s1", "s2", "k2", "i1"]
    header, *lines = (tmp_path / "ne.txt").read_text("utf-8").splitlines()
    assert header == "5 8"
    assert [line.split(" ")[0] for line in lines] == ["k1", "s1", "s2", "k2", "i1"]
    np.testing.assert_array_equal(np.array([line.split(" ")[1:] for line in lines], np.float32), vectors)
    assert "untyped" in shown
    assert "4 edges; 1 components, the largest of 5 vertices; 0 isolated vertices" in shown


def test_gensim_loads_the_text_and_finds_the_same_neighbours(app: typer.Typer, edges: Path, tmp_path: Path) -> None:
    """Its KeyedVectors read names, white space in them encoded, and vectors bit for bit; neighbours are ours by
    cosine."""
    (tmp_path / "songs.txt").write_text(
        "song:海\u3000雪 keyword:雪 2\nsong:2 keyword:雪 1\nsong:2 keyword:海 1\n", "utf-8"
    )
    for source in (edges, tmp_path / "songs.txt"):
        run(app, source, "--out", tmp_path / "ne")
        read = KeyedVectors.load_word2vec_format(str(tmp_path / "ne.txt"))
        names, vectors = (tmp_path / "ne.vertices.txt").read_text("utf-8").splitlines(), np.load(tmp_path / "ne.npy")
        assert read.index_to_key == names
        np.testing.assert_array_equal(read.vectors, vectors)
        nearest = int(np.argsort(-vectors @ vectors[0])[1])  # of length 1; the first is the vertex itself
        assert read.most_similar(names[0], topn=1)[0][0] == names[nearest]


def test_what_it_takes_is_said_before_it_starts(app: typer.Typer, edges: Path, tmp_path: Path) -> None:
    """Memory comes first, then training with its speed and loss."""
    shown = run(app, edges, "--out", tmp_path / "ne")
    assert shown.index("Memory: graph 0.00 GB") < shown.index("Training the network embedding: 20000 in")
    assert "M samples/s, loss" in shown


def test_types_can_be_given(app: typer.Typer, edges: Path, tmp_path: Path) -> None:
    """--type tells types by prefix; names stay as they are."""
    shown = run(app, edges, "--out", tmp_path / "ne", "--type", "k=keyword", "--type", "s=song", "--type", "i=image")
    for kind in ("keyword", "song", "image"):
        assert kind in shown
    assert "untyped" not in shown
    assert (tmp_path / "ne.vertices.txt").read_text("utf-8").split() == ["k1", "s1", "s2", "k2", "i1"]


def test_tables_are_embedded_under_their_names(app: typer.Typer, tmp_path: Path) -> None:
    """A table with type columns, where keys alone may not be unique, comes out as `type:key`; one without as it is."""
    columns = {"source": ["1", "1"], "target": ["雪", "雪"], "weight": [1.0, 2.0]}
    parquet.write_table(pa.table(columns | {"source_type": ["song", "image"]}), tmp_path / "typed.parquet")
    parquet.write_table(pa.table({**columns, "source": ["a b", "c"]}), tmp_path / "plain.parquet")
    run(app, tmp_path / "typed.parquet", "--out", tmp_path / "typed")
    run(app, tmp_path / "plain.parquet", "--out", tmp_path / "plain")
    assert (tmp_path / "typed.vertices.txt").read_text("utf-8").split() == ["song:1", "image:1", "untyped:雪"]
    assert (tmp_path / "plain.vertices.txt").read_text("utf-8").split() == ["a%20b", "c", "雪"]


def test_a_training_that_was_cut_off_resumes(
    app: typer.Typer, edges: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --checkpoint and --resume the files are the same as without, and the checkpoint goes when they are there."""
    run(app, edges, "--out", tmp_path / "whole")
    checkpoint = ("--checkpoint", tmp_path / "ne.checkpoint", "--checkpoint-every", 0)
    with monkeypatch.context() as patch:
        rounds = iter(range(41))
        taken = train._round

        def cut_off(*arguments: object) -> train.TrainingProgress:
            if next(rounds, None) is None:
                raise KeyboardInterrupt
            return taken(*arguments)  # type: ignore[arg-type]

        patch.setattr(train, "_round", cut_off)
        cut = CliRunner().invoke(app, [*map(str, (edges, "--out", tmp_path / "ne", *checkpoint)), *QUICK])
        assert cut.exit_code != 0
    assert (tmp_path / "ne.checkpoint").exists()
    assert not (tmp_path / "ne.npy").exists()
    run(app, edges, "--out", tmp_path / "ne", *checkpoint, "--resume")
    for ending in (".npy", ".contexts.npy", ".vertices.txt", ".txt"):
        assert (tmp_path / f"ne{ending}").read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    assert not (tmp_path / "ne.checkpoint").exists()


def test_too_little_memory_is_refused_unless_told_otherwise(
    app: typer.Typer, edges: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with a hundred free bytes nothing starts; --ignore-memory goes on."""
    monkeypatch.setattr("songlens_training.free_memory.free_memory_bytes", lambda: 100)
    with pytest.raises(ConfigError, match=r"0\.00 GB are free"):
        run(app, edges, "--out", tmp_path / "ne")
    assert not (tmp_path / "ne.npy").exists()
    run(app, edges, "--out", tmp_path / "ne", "--ignore-memory")
    assert (tmp_path / "ne.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--resume",), "--resume needs --checkpoint FILE"),
        (("--type", "k"), "PREFIX=TYPE"),
        (("--type", "k=planet"), "PREFIX=TYPE"),
        (("--walk-steps", "3"), "belongs to walks"),
        (("--sampling", "hpe", "--order", "1"), "second-order"),
        (("--device", "tpu"), "auto, cpu, cuda or cuda:N"),
        (("--device", "cuda:99"), "no GPU cuda:99"),
        (("--learning-rate", "2"), "learning rate"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    app: typer.Typer, edges: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Each is a ConfigError that says what to write instead, before anything is trained."""
    with pytest.raises(ConfigError, match=message):
        run(app, edges, "--out", tmp_path / "ne", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["net.txt"]


def test_places_that_are_not_there_are_named(app: typer.Typer, edges: Path, tmp_path: Path) -> None:
    """An edge list that is not there, and a folder that cannot be written into."""
    with pytest.raises(DataError, match=r"none\.txt cannot be read"):
        run(app, tmp_path / "none.txt", "--out", tmp_path / "ne")
    with pytest.raises(ConfigError, match="nowhere, to write into, does not exist"):
        run(app, edges, "--out", tmp_path / "nowhere" / "ne")
    with pytest.raises(DataError, match=r"none\.parquet cannot be read"):
        run(app, tmp_path / "none.parquet", "--out", tmp_path / "ne")


def test_samplings_have_their_own_settings() -> None:
    """The names of the command line are the samplings of the library, and its defaults those of EmbeddingOptions."""
    assert EmbeddingFlags().options() == EmbeddingOptions()
    assert EmbeddingFlags(sampling="line").options().sampling == LINE
    assert EmbeddingFlags(sampling="smore").options().sampling == SMORE
    assert EmbeddingFlags(sampling="hpe").options().sampling == HPE
    walks = EmbeddingFlags(sampling="hpe", walk_steps=2, regularisation=0.0, noise="typed").options().sampling
    assert (walks.walk_steps, walks.regularisation, walks.noise) == (2, 0.0, "typed")


def test_prefixes_of_our_own_names_are_types_without_being_told(tmp_path: Path) -> None:
    """A list that `write_edge_list` wrote is typed as it was."""
    (tmp_path / "net.txt").write_text("song:1 keyword:雪 1\n", "utf-8")
    graph, name = read_graph(tmp_path / "net.txt", PREFIXES)
    assert [vertex.type.name for vertex in graph.vertices] == ["SONG", "KEYWORD"]
    assert [name(vertex) for vertex in graph.vertices] == ["song:1", "keyword:雪"]
