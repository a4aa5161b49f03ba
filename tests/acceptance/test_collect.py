"""Images are collected by the command, and a model is built from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_site import ImageSite, openverse, result, running_site

from .conftest import songlens

KEYWORDS = {"大海": "sea", "森林": "forest", "玫瑰": "rose"}


def serve(site: ImageSite) -> None:
    """Three images for each keyword."""
    found = {}
    for number, query in enumerate(KEYWORDS.values()):
        paths = site.images(query, 3, first_seed=10 * number)
        found[query] = [result(10 * number + n, site.url(path)) for n, path in enumerate(paths)]
    site.answers["/v1/images/"] = openverse(found)


def collect(site: ImageSite, *arguments: str) -> tuple[int, str]:
    """Run the verb; return its status and all it said, on one line."""
    ended = songlens(
        "data", "collect", "--openverse-url", site.address, "--allow-private", "127.0.0.1", "--interval", "0",
        "--search-interval", "0", "--attempts", "1", *arguments,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    return ended.returncode, (ended.stdout + ended.stderr).replace("\n", " ")


def test_from_keywords_to_a_model(tmp_path: Path) -> None:
    """A table of queries is all it takes: what is collected is told per keyword, listed, and builds a model whose
    images keep their licence and attribution."""
    (tmp_path / "queries.csv").write_text("keyword,query\n" + "".join(f"{k},{q}\n" for k, q in KEYWORDS.items()), "utf-8")
    songs = [
        {"id": f"{word}-{n}", "title": f"歌{n}", "lyrics": f"我看见{word}\n你在唱歌"} for word in KEYWORDS for n in range(4)
    ]
    (tmp_path / "songs.jsonl").write_text("\n".join(json.dumps(song, ensure_ascii=False) for song in songs), "utf-8")
    home = tmp_path / "home"
    with running_site() as site:
        serve(site)
        table = ("--queries", str(tmp_path / "queries.csv"))
        status, said = collect(site, *table, "--keyword", "大海", "--keyword", "沙漠", "--dry-run")
        assert (status, "沙漠: 0 candidates" in said) == (0, True)
        assert site.url("/sea/2.jpg") in said
        assert not any(path.endswith(".jpg") for path in site.asked())
        ended = songlens(
            "data", "collect", "--openverse-url", site.address, "--allow-private", "127.0.0.1", "--interval", "0",
            "--search-interval", "0", *table, SONGLENS_HOME=str(home),
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "9 images; merged 0 of the same content and 0 near duplicates" in ended.stdout.replace("\n", " ")
    listed = songlens("data", "list", SONGLENS_HOME=str(home)).stdout
    assert "collected" in listed
    images = home / "catalogues" / "collected" / "images.jsonl"
    built = songlens(
        "model", "build", "--songs", str(tmp_path / "songs.jsonl"), "--images", str(images),
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
        (("--queries", "columns.csv"), 5, "has the columns word, translation; `keyword` and `query` must be among them"),
        (("--keyword", "a", "--source", "absent.jsonl"), 5, "absent.jsonl does not exist"),
        (("--keyword", "a", "--licences", "gpl"), 2, "gpl: no licence code"),
        (("--keyword", "a", "--page-size", "100"), 2, "Without a token Openverse gives at most 20 results a page"),
        (("--keyword", "a", "--openverse-url", "api.openverse.org"), 2, "is not the http or https URL"),
        (("--keyword", "a", "--out", "full"), 5, "holds something else than a collected catalogue"),
        (("--keyword", "a", "--openverse-url", "http://127.0.0.1:1"), 5, "127.0.0.1 cannot be reached"),
        (("--keyword", "a", "--openverse-url", "http://nowhere.invalid"), 5, "nowhere.invalid cannot be reached"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """Each has a sentence that says what is wrong, and its status."""
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "columns.csv").write_text("word,translation\n雪花,snow\n", "utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    ended = songlens("data", "collect", "--attempts", "1", "--out", "out", "--allow-private", "127.0.0.1", *arguments)
    assert ended.returncode == status, ended.stderr
    assert sentence in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr
