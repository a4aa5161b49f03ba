"""Recommendations as people and programs read them."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from fake_worker import one_song
from rich.console import Console

from songlens import BadImage, Recommendation
from songlens.commands.render import as_json, error_json, personal, queued_json, show, timings
from songlens_shared.messages import Personal, Request

RECOMMENDATION = Recommendation.from_reply(one_song(Request(id="r1", client="app", image=b"photo")))


def shown(title: str = "beach.jpg", recommendation: Recommendation = RECOMMENDATION) -> str:
    out = StringIO()
    show(Console(file=out, width=140), title, recommendation)
    return out.getvalue()


def test_a_person_sees_everything() -> None:
    """Photo, neighbour images with keyword and distance, songs with their reason, times and model."""
    text = shown()
    for part in (
        "beach.jpg",
        "snow/1.jpg",
        "12.50",
        "张志和",
        "孤舟蓑笠翁，独钓寒江雪",
        "0.250",
        "total 15.0 ms",
        "model m1",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("taste", "sentence"),
    [
        (Personal(user_weight=0.4, known=True), "Personal: the user's taste has a weight of 0.4."),
        (Personal(user_weight=0.0, known=True), "Not personal: the user's taste was given no weight."),
        (Personal(user_weight=0.0, known=False), "Not personal: the model does not know this user."),
    ],
)
def test_whether_songs_are_personal(taste: Personal, sentence: str) -> None:
    """With a user it is said whether and how much the songs are personal, and why not; without one nothing is said."""
    assert personal(taste) == sentence
    assert "ersonal" not in shown()
    out = StringIO()
    request = Request(id="r1", client="app", image=b"photo", user="u", user_weight=0.4)
    show(Console(file=out, width=140), "beach.jpg", Recommendation.from_reply(one_song(request)))
    assert "weight of 0.4" in out.getvalue()


def test_what_came_from_the_content_cache_is_said() -> None:
    """In the table's last line, and in JSON; of other photos the table says nothing."""
    cached = replace(RECOMMENDATION, cached=True)
    assert shown(recommendation=cached).rstrip().endswith("model m1 · images from the content cache")
    assert "cache" not in shown()
    assert json.loads(as_json(cached))["cached"] is True
    assert json.loads(as_json(RECOMMENDATION))["cached"] is False


def test_markup_in_names_is_shown_as_it_is() -> None:
    """Brackets in file names and titles are text, not colours."""
    text = shown("[bold]photo[/bold] [1].jpg")
    assert "[bold]photo[/bold] [1].jpg" in text
    assert "渔歌子 [1]" in text


def test_timings_in_order() -> None:
    """Known steps come in the order in which they happen; others are left out."""
    assert timings({"total": 3.0, "queue": 1.25, "odd": 9.0}) == "queue 1.2 ms · total 3.0 ms"
    assert timings({}) == ""


def test_json_is_one_line_with_all_fields() -> None:
    """A program gets one object a line, Chinese readable, every field of songs and images in it."""
    line = as_json(RECOMMENDATION, photo="beach.jpg")
    assert "\n" not in line
    assert "张志和" in line
    got = json.loads(line)
    assert (got["photo"], got["status"], got["id"], got["model"]) == ("beach.jpg", "ok", "r1", "m1")
    assert got["songs"][0]["via"] == {"image": "snow/1.jpg", "keyword": "雪", "line": "孤舟蓑笠翁，独钓寒江雪"}
    assert got["images"] == [{"id": "snow/1.jpg", "distance": 12.5, "keywords": ["雪", "江"]}]


def test_json_of_errors_and_of_what_is_queued() -> None:
    """Every line has a status; an error has its code and sentence."""
    assert json.loads(error_json(BadImage("no photo"), photo="a.txt")) == {
        "photo": "a.txt",
        "status": "error",
        "error": {"code": "bad_image", "message": "no photo"},
    }
    assert json.loads(queued_json("r1", photo="a.jpg")) == {"photo": "a.jpg", "status": "queued", "id": "r1"}
