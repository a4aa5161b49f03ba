"""A photo goes in, songs come out: through real processes, a real server and pretrained features."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from songlens import AsyncClient, BadRequest, Client, Recommendation
from songlens_training.demonstration import Answer, Query, lyrics_by_song, read_queries, theme_share

from .conftest import System


@pytest.fixture(scope="module")
def answers(system: System) -> list[Answer]:
    """The songs of every held-out photo, two of each theme."""
    queries = read_queries(system.model.catalogue)
    with Client(system.url) as client:
        handles = [(query, client.submit(query.path, timeout_s=120)) for query in queries]
        return [Answer(query=query, recommendation=handle.result()) for query, handle in handles]


def test_every_photo_gets_ten_distinct_songs_and_five_images(answers: list[Answer]) -> None:
    """Each photo gets ten distinct songs from five images, explained and timed, of one model version."""
    assert len(answers) == 72
    for answer in answers:
        recommendation = answer.recommendation
        assert len({song.id for song in recommendation.songs}) == 10
        assert len({image.id for image in recommendation.images}) == 5
        distances = [image.distance for image in recommendation.images]
        assert distances == sorted(distances)
        assert {"queue", "decode", "embed", "search", "songs", "total"} <= recommendation.timings_ms.keys()
        for song in recommendation.songs:
            assert song.via.image in {image.id for image in recommendation.images}
            assert song.via.keyword in song.via.line
            assert song.score == pytest.approx(1 / (1 + song.distance))


def test_songs_bear_the_keyword_of_the_photo(system: System, answers: list[Answer]) -> None:
    """On the generated catalogue at least 90 % of the songs hold their photo's theme keyword."""
    held, shown = theme_share(answers, lyrics_by_song(system.model.catalogue))
    assert shown == 720
    assert held / shown >= 0.9


def test_photos_of_one_theme_share_songs_and_unlike_ones_do_not(answers: list[Answer]) -> None:
    """Two photos of the same theme get overlapping songs; photos of unlike themes get disjoint ones."""
    songs: dict[str, list[set[str]]] = defaultdict(list)
    for answer in answers:
        assert answer.query.keyword is not None
        songs[answer.query.keyword].append({song.id for song in answer.recommendation.songs})
    alike = [len(first & second) for first, second in songs.values()]
    unlike = [len(songs[one][0] & songs[other][0]) for one in songs for other in songs if one != other]
    assert sum(overlap > 0 for overlap in alike) >= 0.9 * len(alike)
    assert sum(overlap == 0 for overlap in unlike) >= 0.98 * len(unlike)


def query(system: System) -> Query:
    return read_queries(system.model.catalogue)[0]


def test_options_are_obeyed(system: System, client: Client) -> None:
    """top_k, images_k and songs_per_image shape the answer; ten songs may come from one image."""
    photo = query(system).path
    many = client.recommend(photo, top_k=40, images_k=7, songs_per_image=3)
    assert (len(many.songs), len(many.images)) == (40, 7)
    one = client.recommend(photo, images_k=1, songs_per_image=2)
    assert len({song.id for song in one.songs}) == 10
    assert {song.via.image for song in one.songs} == {one.images[0].id}
    few = client.recommend(photo, top_k=3)
    assert [song.id for song in few.songs] == [song.id for song in client.recommend(photo).songs[:3]]
    with pytest.raises(BadRequest, match="top_k must be a whole number between 1 and 100"):
        client.recommend(photo, top_k=101)


def test_the_paper_takes_two_songs_from_each_of_five_images(system: System, client: Client) -> None:
    """With the defaults each neighbour image brings two songs, nearest image first."""
    recommendation = client.recommend(query(system).path)
    assert [song.via.image for song in recommendation.songs] == [
        image.id for image in recommendation.images for _ in range(2)
    ]


def test_the_same_photo_gets_the_same_songs_from_both_clients(system: System, client: Client) -> None:
    """Sync and asyncio client give one answer for one photo."""

    async def ask() -> Recommendation:
        async with AsyncClient(system.url) as asynchronous:
            return await asynchronous.recommend(query(system).path)

    assert asyncio.run(ask()).songs == client.recommend(query(system).path).songs


def test_another_process_fetches_the_result_by_id(system: System, client: Client) -> None:
    """A reply can be fetched later by id, by the command and by another client."""
    handle = client.submit(query(system).path)
    songs = handle.result().songs
    shown = system.command("result", handle.id, "--json", "--timeout", "10")
    assert shown.returncode == 0, shown.stderr
    assert [song["id"] for song in json.loads(shown.stdout)["songs"]] == [song.id for song in songs]
    unknown = system.command("result", "no-such-id")
    assert unknown.returncode == 1
    assert "no request no-such-id is known" in unknown.stderr


def test_send_shows_tables_or_json(system: System, tmp_path: Path) -> None:
    """`songlens send` shows each photo's songs; a bad photo is named, and fails the command but not the others."""
    photo = str(query(system).path)
    table = system.command("send", photo)
    assert table.returncode == 0, table.stderr
    assert "Nearest catalogue images" in table.stdout
    assert "total" in table.stdout
    bad = tmp_path / "notes.jpg"
    bad.write_text("not a photo")
    mixed = system.command("send", photo, str(bad), "--json")
    assert mixed.returncode == 1
    first, second = map(json.loads, mixed.stdout.splitlines())
    assert first["status"] == "ok"
    assert len(first["songs"]) == 10
    assert second["error"]["code"] == "bad_image"


def test_doctor_finds_a_healthy_system(system: System) -> None:
    """`songlens doctor` ends with 0 where everything is there, and names server, model and workers."""
    report = system.command("doctor", "--models", str(system.model.store))
    assert report.returncode == 0, report.stdout
    assert f"model {system.model.version} is live" in report.stdout
    assert "1 workers active" in report.stdout


def test_doctor_says_how_to_mend_faults(tmp_path: Path, system: System) -> None:
    """`songlens doctor` ends with 1 without a server, and says what to do."""
    report = system.command("doctor", "--redis", "redis://127.0.0.1:1", "--models", str(tmp_path))
    assert report.returncode == 1
    assert "songlens up" in report.stdout.replace("\n", " ")


def test_the_example_of_the_readme_runs(system: System) -> None:
    """The ten lines of Python in the README print ten songs, but for the address, the photo and the time allowed."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    for shown, real in (
        ("redis://queue.example:6379", system.url),
        ("beach.heic", str(query(system).path)),
        ("timeout_s=5", "timeout_s=60"),
    ):
        assert shown in example
        example = example.replace(shown, real)
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=120, check=True)
    assert len(ran.stdout.splitlines()) == 10
