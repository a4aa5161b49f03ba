"""Images are collected by the command, and a model is built from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from image_site import ImageSite, openverse, result, running_site
from typer.testing import CliRunner

from songlens_shared.errors import SonglensError
from songlens_training.commands.data import command

from .conftest import songlens

KEYWORDS = {"大海": "sea", "森林": "forest", "玫瑰": "rose"}

QUICK = ("--allow-private", "127.0.0.1", "--interval", "0", "--search-interval", "0", "--attempts", "1")


def serve(site: ImageSite) -> None:
    """Three images for each keyword."""
    found = {}
    for number, query in enumerate(KEYWORDS.values()):
        paths = site.images(query, 3, first_seed=10 * number)
        found[query] = [result(10 * number + n, site.url(path)) for n, path in enumerate(paths)]
    site.answers["/v1/images/"] = openverse(found)


def write_catalogue(folder: Path) -> None:
    """A table of queries, and songs that contain the keywords."""
    lines = ["keyword,query", *(f"{word},{query}" for word, query in KEYWORDS.items()), ""]
    (folder / "queries.csv").write_text("\n".join(lines), "utf-8")
    songs = [
        {"id": f"{word}-{number}", "title": f"歌{number}", "lyrics": f"我看见{word}\n你在唱歌"}
        for word in KEYWORDS
        for number in range(4)
    ]
    (folder / "songs.jsonl").write_text("\n".join(json.dumps(song, ensure_ascii=False) for song in songs), "utf-8")


def data(*arguments: str, **environment: str) -> Any:
    """Run a verb of `songlens data` in this process."""
    return CliRunner().invoke(command, arguments, env={"COLUMNS": "160", **environment})


@pytest.mark.slow
def test_from_keywords_to_a_model(tmp_path: Path) -> None:
    """A table of queries is all it takes: what is collected is told per keyword, listed, and builds a model."""
    write_catalogue(tmp_path)
    home = str(tmp_path / "home")
    with running_site() as site:
        serve(site)
        arguments = ("collect", "--openverse-url", site.address, "--queries", str(tmp_path / "queries.csv"), *QUICK)
        dry = data(*arguments, "--keyword", "大海", "--keyword", "沙漠", "--dry-run", SONGLENS_HOME=home)
        assert dry.exit_code == 0, dry.output
        assert "沙漠: 0 candidates" in dry.output
        assert f"{site.url('/sea/2.jpg')}  (CC BY 4.0, photos)" in dry.output
        assert not any(path.endswith(".jpg") for path in site.asked())
        collected = data(
            *arguments, "--keyword", "沙漠", *(f"--keyword={word}" for word in KEYWORDS), SONGLENS_HOME=home
        )
    assert collected.exit_code == 0, collected.output
    assert "9 images; merged 0 of the same content and 0 near duplicates" in collected.output
    assert "Searched as they are, without translation: 沙漠" in collected.output
    assert "collected" in data("list", SONGLENS_HOME=home).output
    built = songlens(
        "model", "build", "--songs", str(tmp_path / "songs.jsonl"),
        "--images", str(tmp_path / "home" / "catalogues" / "collected" / "images.jsonl"),
        "--models", str(tmp_path / "models"), "--backbone", "tiny", "--samples", "20000",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "12 songs, 9 images, 3 keywords" in " ".join(built.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ((), 5, "There is no keyword to collect images for"),
        (("--keyword", " "), 5, "A keyword is empty"),
        (("--keywords", "empty.txt"), 5, "empty.txt names no keyword"),
        (("--queries", "columns.csv"), 5, "has the columns word, translation; `keyword` and `query` must be among"),
        (("--keyword", "a", "--source", "absent.jsonl"), 5, "absent.jsonl does not exist"),
        (("--keyword", "a", "--licences", "gpl"), 2, "gpl: no licence code"),
        (("--keyword", "a", "--page-size", "100"), 2, "Without a token Openverse gives at most 20 results a page"),
        (("--keyword", "a", "--openverse-url", "api.openverse.org"), 2, "is not the http or https URL"),
        (("--keyword", "a", "--proxy", "socks5://localhost"), 2, "is not the http:// URL of a proxy"),
        (("--keyword", "a", "--out", "full"), 5, "holds something else than a collected catalogue"),
        (("--keyword", "a", "--openverse-url", "http://127.0.0.1:1"), 5, "127.0.0.1 cannot be reached"),
        (("--keyword", "a", "--openverse-url", "http://nowhere.invalid"), 5, "nowhere.invalid cannot be reached"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """Each is an error of ours, which the command shows as one sentence, and has its exit status."""
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "columns.csv").write_text("word,translation\n雪花,snow\n", "utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    error = data("collect", "--out", "out", *QUICK, *arguments).exception
    assert isinstance(error, SonglensError), error
    assert sentence in error.message
    assert error.exit_status == status


def test_bad_rows_of_a_table_are_told(tmp_path: Path) -> None:
    """A table of queries with a bad row is used, and how many rows were refused is said."""
    (tmp_path / "queries.csv").write_text("keyword,query\n大海,sea\n雪花,\n", "utf-8")
    with running_site() as site:
        serve(site)
        said = data(
            "collect", "--openverse-url", site.address, "--queries", str(tmp_path / "queries.csv"), *QUICK,
            "--out", str(tmp_path / "out"),
        )  # fmt: skip
    assert said.exit_code == 0, said.output
    assert "queries.csv: refused 1 x missing query" in said.output
