"""`songlens eval` as a recommendation engineer uses it, on a small generated catalogue with the tiny backbone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from songlens_shared.errors import ConfigError, DataError, SonglensError
from songlens_training.catalogue.tables import RejectLog
from songlens_training.commands.evaluation import command
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.evaluate.held_out import (
    KEPT_IMAGES,
    Experiment,
    FromFile,
    HeldOut,
    learn_without_queries,
)
from songlens_training.generated.catalogue import GeneratedOptions, generate
from songlens_training.graph.graph import VertexType
from songlens_training.model.build import build_model
from songlens_training.model.learn import BuildOptions, Catalogue
from songlens_training.progress import silent
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.registry import load_backbone

THEMES, SONGS, IMAGES = 8, 240, 6
EMBEDDING = EmbeddingOptions(dimensions=16, samples=100_000, threads=1)
QUICK = ("--backbone", "tiny", "--threads", "1", "--dimensions", "16", "--samples", "100000", "--resamples", "1000")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated catalogue with query images."""
    made = tmp_path_factory.mktemp("catalogue") / "generated"
    options = GeneratedOptions(themes=THEMES, songs=SONGS, images_per_theme=IMAGES, queries_per_theme=2)
    generate(made, options, lambda done, total: None, processes=1)
    return made


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    """Word vectors that know all keywords of the catalogue but one."""
    words = sorted({row["keyword"] for row in rows(folder / "queries.jsonl")})[1:]
    numbers = np.random.default_rng(1).standard_normal((len(words), 5))
    lines = (f"{word} {' '.join(map(str, own))}\n" for word, own in zip(words, numbers.tolist(), strict=True))
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    path.write_text(f"{len(words)} 5\n{''.join(lines)}", encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def catalogue(folder: Path) -> list[str]:
    return ["--songs", str(folder / "songs.jsonl"), "--images", str(folder / "images.jsonl")]


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def refused(*arguments: str) -> SonglensError:
    """Return the error that ends the command; `songlens` shows its message."""
    error = evaluate(*arguments).exception
    assert isinstance(error, SonglensError)
    return error


def learned(folder: Path, source: HeldOut | FromFile, out: Path) -> Experiment:
    with RejectLog(out / "rejects.jsonl") as rejects:
        return learn_without_queries(
            Catalogue(songs=folder / "songs.jsonl", images=folder / "images.jsonl"),
            source,
            load_backbone("tiny", device="cpu"),
            BuildOptions(embedding=EMBEDDING),
            out,
            rejects,
            silent,
            features_folder=out / "features",
        )


@pytest.fixture(scope="module")
def first_run(folder: Path, vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The results of one evaluation, and what it showed."""
    out = tmp_path_factory.mktemp("evaluated")
    return out, evaluate_two(folder, vectors, out)


def evaluate_two(folder: Path, vectors: Path, out: Path) -> Result:
    return evaluate(*catalogue(folder), *QUICK, "--similar", f"vectors={vectors}", "--n", "0,2", "--out", str(out))


def test_a_whole_evaluation(folder: Path, first_run: tuple[Path, Result]) -> None:
    """One command gives the table of the paper on the screen, and JSON, Markdown and plots that agree with it."""
    out, done = first_run
    assert done.exit_code == 0, done.output
    for text in ("Proposed", "KM", "POP", "Random", "paper: POP", "n = 2"):
        assert text in done.output
    report = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    held_out = THEMES  # a tenth of six images is less than one, and one is held out at least
    keywords = {row["keyword"] for row in rows(folder / "queries.jsonl")}
    assert report["query_images"] == held_out and report["about"]["images"] == THEMES * IMAGES - held_out
    assert report["systems"] == ["proposed", "km", "pop", "random"] and report["absent"] == {}
    assert report["sources"]["vectors"]["unknown"] == [min(keywords)]
    assert len(report["scores"]) == 4 * 2 * 5
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in report["scores"])
    assert {row["keyword"] for row in report["keywords"]} == keywords
    markdown = (out / "evaluation.md").read_text(encoding="utf-8")
    [proposed] = [row for row in report["scores"] if (row["system"], row["n"], row["metric"]) == ("proposed", 0, "mrr")]
    assert f"| Proposed | {proposed['value']:.3f} [{proposed['low']:.3f}, {proposed['high']:.3f}] |" in markdown
    assert "Unknown keywords, for which only the keyword itself is right: 1 of 8" in markdown
    with Image.open(out / "evaluation.png") as plot:
        assert plot.width > 1000 and len(plot.convert("RGB").getcolors(1 << 24) or ()) > 50
    assert "<svg" in (out / "evaluation.svg").read_text(encoding="utf-8")


def test_the_seed_decides_everything(
    folder: Path, vectors: Path, first_run: tuple[Path, Result], tmp_path: Path
) -> None:
    """A second run writes the same report and plots byte for byte, and the same JSON but for the seconds in it."""
    first, _ = first_run
    assert evaluate_two(folder, vectors, tmp_path).exit_code == 0
    for name in ("evaluation.md", "evaluation.png", "evaluation.svg", KEPT_IMAGES):
        assert (first / name).read_bytes() == (tmp_path / name).read_bytes()
    one, other = (json.loads((out / "evaluation.json").read_text(encoding="utf-8")) for out in (first, tmp_path))
    assert one.pop("about").pop("seconds").keys() == other.pop("about").pop("seconds").keys()
    assert one == other


def test_held_out_images_are_in_neither_index_nor_graph(folder: Path, tmp_path: Path) -> None:
    """Nothing that was learned has ever seen a query image, and every other image was learned from."""
    found = learned(folder, HeldOut(share=0.34, seed=3), tmp_path)
    held = {query.id for query in found.queries}
    everything = {row["id"] for row in rows(folder / "images.jsonl")}
    in_graph = {vertex.key for vertex in found.learned.graph.vertices if vertex.type is VertexType.IMAGE}
    in_index = [image.id for image in found.learned.images]
    assert len(held) == 2 * THEMES and held < everything
    assert in_graph == set(in_index) == set(found.learned.table.images) == everything - held
    assert len(found.learned.extracted.features) == len(in_index)
    assert {row["id"] for row in rows(tmp_path / KEPT_IMAGES)} == everything - held


def test_query_images_that_were_learned_from_are_left_out(folder: Path, tmp_path: Path) -> None:
    """A file of query images may hold copies of catalogue images, undecodable ones, and ones without keyword."""
    own = tmp_path / "queries"
    own.mkdir()
    [first, second, third] = rows(folder / "queries.jsonl")[:3]
    for name, source in (("copy.jpg", rows(folder / "images.jsonl")[0]), ("a.jpg", first), ("b.jpg", second)):
        (own / name).write_bytes((folder / source["path"]).read_bytes())
    (own / "broken.jpg").write_bytes(b"no photo")
    listed = [{"path": name, "keyword": third["keyword"]} for name in ("copy.jpg", "a.jpg", "b.jpg", "broken.jpg")]
    listed.append({"path": "a.jpg", "keyword": ""})
    path = own / "queries.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in listed), encoding="utf-8")
    found = learned(folder, FromFile(path=path), tmp_path)
    assert [query.id for query in found.queries] == ["a.jpg", "b.jpg"]
    assert len(found.features) == 2
    left_out = found.about["query_images_left_out"]
    assert left_out["the same file is in the catalogue"] == left_out["query image without keyword"] == 1
    assert sum(left_out.values()) == 3


def test_a_version_that_was_built_is_evaluated(folder: Path, vectors: Path, tmp_path: Path) -> None:
    """A built version comes to what learning the same catalogue anew comes to."""
    store = ModelStore(str(tmp_path / "models"))
    built = build_model(
        Catalogue(songs=folder / "songs.jsonl", images=folder / "images.jsonl"),
        store,
        load_backbone("tiny", device="cpu"),
        BuildOptions(embedding=EMBEDDING),
    )
    songs = ["--songs", str(folder / "songs.jsonl")]
    queries = ["--queries", str(folder / "queries.jsonl"), "--similar", f"vectors={vectors}", "--resamples", "1000"]
    version = ["--model", built.manifest.version, "--models", str(store), *songs]
    done = evaluate(*version, *queries, "--out", str(tmp_path / "version"))
    assert done.exit_code == 0, done.output
    assert evaluate(*catalogue(folder), *QUICK, *queries, "--out", str(tmp_path / "anew")).exit_code == 0
    version_found, anew = (
        json.loads((tmp_path / name / "evaluation.json").read_text(encoding="utf-8")) for name in ("version", "anew")
    )
    assert version_found["about"]["version"] == built.manifest.version
    assert version_found["query_images"] == 2 * THEMES
    assert version_found["scores"] == anew["scores"] and version_found["lists"] == anew["lists"]
    assert "--model needs --queries" in refused(*version, "--out", str(tmp_path)).message
    both = refused(*version, *catalogue(folder)[2:], *queries, "--out", str(tmp_path))
    assert "leave out --images" in both.message


def test_songs_without_popularity(folder: Path, vectors: Path, tmp_path: Path) -> None:
    """POP is absent and says why; the others are measured. A row that was refused is told of."""
    songs = tmp_path / "songs.jsonl"
    plain = [{key: row[key] for key in ("id", "title", "lyrics")} for row in rows(folder / "songs.jsonl")]
    plain.append(plain[0])
    songs.write_text("".join(json.dumps(row) + "\n" for row in plain), encoding="utf-8")
    done = evaluate(
        *("--songs", str(songs), "--images", str(folder / "images.jsonl"), "--similar", f"vectors={vectors}"),
        *("--n", "0", "--out", str(tmp_path / "out"), *QUICK),
    )
    assert done.exit_code == 0, done.output
    shown = " ".join(done.output.split())
    assert "POP is absent: no song has a popularity." in shown
    assert "refused: duplicate id (rejects.jsonl)" in shown
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert report["systems"] == ["proposed", "km", "random"] and set(report["absent"]) == {"pop"}


def test_a_sweep(folder: Path, vectors: Path, tmp_path: Path) -> None:
    """Every value is tried while the others stay at their base, with every seed; the report has a row for each."""
    done = evaluate(
        *("sweep", *catalogue(folder), "--backbone", "tiny", "--threads", "1", "--similar", f"vectors={vectors}"),
        *("--n", "0,2", "--dimensions", "16,4", "--samples", "100000", "--retrieval", "5x2,1x10", "--seeds", "1,2"),
        *("--out", str(tmp_path)),
    )
    assert done.exit_code == 0, done.output
    points = json.loads((tmp_path / "sweep.json").read_text(encoding="utf-8"))["points"]
    tried = [(point["dimensions"], point["samples"], point["retrieval"]["images_k"]) for point in points]
    assert tried == [(16, 100_000, 5), (4, 100_000, 5), (16, 100_000, 1)]
    for point in points:
        assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in point["scores"])
    assert (tmp_path / "sweep.md").read_text(encoding="utf-8").count("| 4 | 100000 | 5x2 |") == 2
    assert (tmp_path / "sweep.png").read_bytes().startswith(PNG) and (tmp_path / "sweep.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        (["--n", "0,five"], ConfigError, "--n takes whole numbers"),
        (["--similar", "dictionary"], ConfigError, "names no source"),
        (["--hold-out", "1"], ConfigError, "between 0 and 1"),
        (["--images-k", "0"], ConfigError, "images_k must be 1-100"),
        (["--queries", "absent.jsonl"], DataError, "absent.jsonl does not exist"),
    ],
)
def test_bad_input_is_named(
    folder: Path, vectors: Path, tmp_path: Path, options: list[str], error: type[SonglensError], reason: str
) -> None:
    """Each ends with a sentence that says what is wrong, and no report."""
    similar = [] if "--similar" in options else ["--similar", f"vectors={vectors}"]
    found = refused(*catalogue(folder), *QUICK, *similar, *options, "--out", str(tmp_path / "out"))
    assert isinstance(found, error) and reason in found.message
    assert not (tmp_path / "out" / "evaluation.json").exists()


def test_results_that_cannot_be_written(folder: Path, vectors: Path, tmp_path: Path) -> None:
    """Said before anything is learned, for a run and for a sweep."""
    (tmp_path / "file").touch()
    out = ["--out", str(tmp_path / "file" / "out"), "--similar", f"vectors={vectors}", "--backbone", "tiny"]
    for verb in ([], ["sweep"]):
        found = refused(*verb, *catalogue(folder), *out)
        assert isinstance(found, DataError) and "cannot be written" in found.message


def test_neither_images_nor_a_version(folder: Path, tmp_path: Path) -> None:
    """Songs alone cannot be evaluated, which is said before anything is fetched or loaded."""
    assert "Give --images" in refused("--songs", str(folder / "songs.jsonl"), "--out", str(tmp_path)).message


def test_the_group_shows_its_verbs() -> None:
    """`run` need not be named, and is shown."""
    shown = evaluate("--help").output
    assert "run" in shown and "sweep" in shown
    assert "--songs-per-image" in evaluate("run", "--help").output
