"""Images are collected from a real server on this machine: slow, broken and lying ones do no harm."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from image_site import (
    ImageSite,
    content,
    cut_short,
    endless,
    in_turn,
    openverse,
    picture,
    redirect,
    result,
    running_site,
    stalled,
    status,
)
from manual_clock import ManualClock
from PIL import Image

from songlens_shared.errors import DataError
from songlens_training.catalogue.images import read_images
from songlens_training.catalogue.tables import RejectLog
from songlens_training.collect.checks import ImageChecks
from songlens_training.collect.collect import collect, preview
from songlens_training.collect.openverse import OpenverseOptions
from songlens_training.collect.options import CollectOptions
from songlens_training.collect.politeness import Politeness
from songlens_training.collect.report import Report
from songlens_training.collect.retry import RetryPolicy
from songlens_training.collect.web import WebOptions
from songlens_training.progress import silent
from songlens_workers.vision.limits import ImageLimits

GOOD = 4
"""Images that every site here serves beside the bad one."""


@pytest.fixture
def site() -> Any:
    """A site with `GOOD` images under /good/."""
    with running_site() as running:
        running.images("good", GOOD)
        yield running


def web(**changes: Any) -> WebOptions:
    """Three attempts, no pauses, and this machine allowed."""
    defaults: dict[str, Any] = {
        "politeness": Politeness(interval_s=0.0, failures=100),
        "retry": RetryPolicy(attempts=3),
        "allow_private": frozenset({"127.0.0.1"}),
    }
    return WebOptions(**{**defaults, **changes})


def options(site: ImageSite, **changes: Any) -> CollectOptions:
    """Collect for 雪花, searched as snow."""
    defaults: dict[str, Any] = {
        "keywords": ("雪花",),
        "queries": {"雪花": ("snow",)},
        "openverse": OpenverseOptions(base_url=site.address, interval_s=0.0),
        "web": web(),
        "checks": ImageChecks(limits=ImageLimits(max_image_bytes=300_000, max_pixels=1_000_000)),
    }
    return CollectOptions(**{**defaults, **changes})


def serve(site: ImageSite, *urls: str, **fields: Any) -> None:
    """Let a search for snow find these URLs and then the good images."""
    found = [*urls, *(site.url(f"/good/{number}.jpg") for number in range(GOOD))]
    site.answers["/v1/images/"] = openverse({"snow": [result(number, url) for number, url in enumerate(found)]})


async def run(folder: Path, wanted: CollectOptions, clock: ManualClock | None = None) -> Report:
    return await collect(folder, wanted, silent, clock=clock or ManualClock(), uniform=lambda: 0.5)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "images.jsonl").read_text("utf-8").splitlines()]


def refused(report: Report) -> dict[str, int]:
    return dict(report.keywords["雪花"].refused)


def bomb() -> bytes:
    """A PNG of 50,000 x 50,000 pixels by its header, in a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


BAD = {
    "stalled body": (stalled(picture(90)), "timed out", 3),
    "cut body": (cut_short(picture(90)), "connection broken off", 3),
    "404": (status(404), "404 Not Found", 1),
    "403": (status(403), "403 Forbidden", 1),
    "503 for ever": (status(503), "503 Service Unavailable", 3),
    "429 for ever": (status(429, Retry_After="7"), "429 Too Many Requests", 3),
    "429 for hours": (status(429, Retry_After="9999"), "429 Too Many Requests; it asks to wait 9999 s", 1),
    "204": (status(204), "204 No Content", 1),
    "redirect to itself": (redirect("/bad.jpg"), "too many redirects", 6),
    "redirect nowhere": (status(302), "too many redirects", 6),
    "redirect to a file": (redirect("file:///etc/passwd"), "neither http nor https", 1),
    "redirect to nonsense": (redirect("http://[::1"), "not a valid URL", 1),
    "redirect to a private address": (redirect("http://169.254.169.254/latest/meta-data"), "private address", 1),
    "redirect to a private name": (redirect("http://localhost:9/x.jpg"), "private address", 1),
    "HTML that says it is a JPEG": (content(b"<!DOCTYPE html><html></html>"), "not an image, or a damaged one", 1),
    "half a JPEG": (content(picture(90)[:-3000]), "not an image, or a damaged one", 1),
    "empty body": (content(b""), "not an image, or a damaged one", 1),
    "gzip": (content(zlib.compress(picture(90)), Content_Encoding="gzip"), "not an image, or a damaged one", 1),
    "decompression bomb": (content(bomb()), "more bytes or pixels than allowed", 1),
    "endless body": (endless(picture(90)), "more bytes than allowed", 1),
    "too small": (content(picture(90, side=40)), "short side under 100 pixels", 1),
}


@pytest.mark.parametrize("habit", BAD)
async def test_a_bad_image_is_refused_by_reason_and_harms_no_other(site: ImageSite, tmp_path: Path, habit: str) -> None:
    """Whatever a server does, its image is refused with the reason after as many attempts as make sense, and the
    others are collected."""
    answer, reason, attempts = BAD[habit]
    site.answers["/bad.jpg"] = answer
    serve(site, site.url("/bad.jpg"))
    asked = web(read_timeout_s=1.0) if habit == "stalled body" else web()
    report = await run(tmp_path / "out", options(site, web=asked))
    assert refused(report) == {reason: 1}
    assert site.asked()["/bad.jpg"] == attempts
    assert [row["title"] for row in rows(tmp_path / "out")] == ["Photo 1", "Photo 2", "Photo 3", "Photo 4"]
    assert len(list((tmp_path / "out" / "images").iterdir())) == GOOD
    assert not list((tmp_path / "out" / ".collect").glob("partial/*"))


@pytest.mark.parametrize(
    "answers",
    [
        [status(503), content(picture(90))],
        [status(500), status(502), content(picture(90))],
        [cut_short(picture(90)), content(picture(90))],
        [stalled(picture(90)), content(picture(90))],
        [redirect("/good/0.jpg?copy"), content(picture(90))],
    ],
)
async def test_what_fails_in_passing_is_tried_again(site: ImageSite, tmp_path: Path, answers: list[Any]) -> None:
    """After 503, a broken or a stalled answer the image is fetched whole; so it is through a redirect."""
    site.answers["/late.jpg"] = in_turn(*answers)
    site.answers["/good/0.jpg"] = content(picture(90))
    site.answers["/v1/images/"] = openverse({"snow": [result(1, site.url("/late.jpg"))]})
    report = await run(tmp_path / "out", options(site, web=web(read_timeout_s=1.0)))
    assert (report.images, refused(report), report.passing) == (1, {}, 0)
    [row] = rows(tmp_path / "out")
    assert (tmp_path / "out" / row["path"]).read_bytes() == picture(90)


async def test_back_off_grows_and_retry_after_is_obeyed(site: ImageSite, tmp_path: Path) -> None:
    """Waits double without Retry-After; with it the host is left alone for as long as it asks."""
    site.answers["/late.jpg"] = in_turn(status(503), status(503), content(picture(90)))
    site.answers["/v1/images/"] = openverse({"snow": [result(1, site.url("/late.jpg"))]})
    clock = ManualClock()
    await run(tmp_path / "backoff", options(site), clock)
    assert clock.slept_s == [0.75, 1.5]
    site.answers["/late.jpg"] = in_turn(status(429, Retry_After="42"), content(picture(90)))
    clock = ManualClock()
    await run(tmp_path / "asked", options(site), clock)
    assert clock.slept_s == [42.0]


async def test_a_host_that_fails_again_and_again_is_left_alone(site: ImageSite, tmp_path: Path) -> None:
    """After so many images in a row that failed, no more requests go to the host in this run; the next one tries."""
    for number in range(20):
        site.answers[f"/broken/{number}.jpg"] = status(500)
    urls = [site.url(f"/broken/{number}.jpg") for number in range(20)]
    site.answers["/v1/images/"] = openverse({"snow": [result(number, url) for number, url in enumerate(urls)]})
    impatient = web(politeness=Politeness(interval_s=0.0, per_host=1, failures=3), retry=RetryPolicy(attempts=1))
    with pytest.raises(DataError, match=r"host given up after many failures \(17\)"):
        await run(tmp_path / "out", options(site, web=impatient))
    assert sum(count for path, count in site.asked().items() if path.startswith("/broken")) == 3


async def test_robots_txt_is_obeyed(site: ImageSite, tmp_path: Path) -> None:
    """What robots.txt forbids is never asked for, not even by a redirect; the file itself is asked for once."""
    site.answers["/robots.txt"] = content(b"User-agent: Songlens\nDisallow: /private\n", "text/plain")
    site.answers["/private/a.jpg"] = content(picture(90))
    site.answers["/way.jpg"] = redirect("/private/a.jpg")
    serve(site, site.url("/private/a.jpg"), site.url("/way.jpg"))
    report = await run(tmp_path / "out", options(site))
    assert refused(report) == {"robots.txt forbids it": 2}
    assert report.images == GOOD
    asked = site.asked()
    assert (asked["/private/a.jpg"], asked["/robots.txt"]) == (0, 1)


async def test_a_robots_txt_that_cannot_be_had_forbids(site: ImageSite, tmp_path: Path) -> None:
    """RFC 9309: an error of the server forbids everything for now; an absent file forbids nothing."""
    serve(site)
    site.answers["/robots.txt"] = status(503)
    with pytest.raises(DataError, match=r"robots.txt: 503 Service Unavailable \(4\)"):
        await run(tmp_path / "out", options(site))
    assert site.asked()["/robots.txt"] == 3
    del site.answers["/robots.txt"]
    assert (await run(tmp_path / "out", options(site))).images == GOOD


async def test_crawl_delay_is_obeyed(site: ImageSite, tmp_path: Path) -> None:
    """Requests to a host that asks for a delay start that far apart."""
    site.answers["/robots.txt"] = content(b"User-agent: *\nCrawl-delay: 30\n", "text/plain")
    serve(site)
    clock = ManualClock()
    await run(tmp_path / "out", options(site), clock)
    assert [round(slept) for slept in clock.slept_s] == [30] * (GOOD - 1)


async def test_a_crawl_delay_past_our_patience_is_obeyed_too(site: ImageSite, tmp_path: Path) -> None:
    """A host that asks for an hour between requests gets none."""
    site.answers["/robots.txt"] = content(b"User-agent: *\nCrawl-delay: 3600\n", "text/plain")
    serve(site)
    with pytest.raises(DataError, match=r"robots.txt asks for 3600 s between requests \(4\)"):
        await run(tmp_path / "out", options(site))
    assert not any(path.startswith("/good") for path in site.asked())


async def test_who_asks(site: ImageSite, tmp_path: Path) -> None:
    """Every request names Songlens, its purpose and the contact, and asks for no compression."""
    serve(site)
    await run(tmp_path / "out", options(site, web=web(contact="me@example.org")))
    for path, headers in site.requests:
        assert headers["user-agent"].startswith("Songlens/"), path
        assert headers["user-agent"].endswith("(collects catalogue images; me@example.org)")
        assert headers["accept-encoding"] == "identity"


async def test_a_private_address_is_not_asked_unless_it_is_allowed(site: ImageSite, tmp_path: Path) -> None:
    """A URL on this machine is refused without a connection, however its name is spelt."""
    port = site.server_address[1]
    listed = tmp_path / "list.jsonl"
    hosts = ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "user:secret@127.1")
    listed.write_text(
        "\n".join(json.dumps({"url": f"http://{host}:{port}/good/0.jpg", "keywords": ["雪花"]}) for host in hosts)
    )
    with pytest.raises(DataError, match=r"robots.txt: private address|private address"):
        await run(
            tmp_path / "out",
            options(site, sources=(str(listed),), web=web(allow_private=frozenset(), retry=RetryPolicy(attempts=1))),
        )
    assert not site.asked()


async def test_a_proxy_is_asked_instead(site: ImageSite, tmp_path: Path) -> None:
    """With a proxy every request goes to it, addresses written as private numbers are refused all the same."""
    site.answers["/a.jpg"] = content(picture(90))
    listed = tmp_path / "list.jsonl"
    urls = ("http://photos.invalid/a.jpg", "http://10.0.0.1/a.jpg", "http://localhost/a.jpg")
    listed.write_text("\n".join(json.dumps({"url": url, "keywords": ["雪花"]}) for url in urls))
    proxied = web(proxy=site.address.replace("//", "//me:secret@"), allow_private=frozenset())
    report = await run(tmp_path / "out", options(site, sources=(str(listed),), web=proxied))
    assert report.images == 1
    assert sum(refused(report).values()) == 2
    assert set(site.asked()) == {"http://photos.invalid/robots.txt", "http://photos.invalid/a.jpg"}
    assert {headers["proxy-authorization"] for _, headers in site.requests} == {"Basic bWU6c2VjcmV0"}
    assert "secret" not in repr(proxied)


# What searches can go wrong with.


async def test_pages_are_asked_for_until_there_is_enough(site: ImageSite, tmp_path: Path) -> None:
    """No more pages and no more images are fetched than are wanted."""
    paths = site.images("many", 30)
    site.answers["/v1/images/"] = openverse({"snow": [result(n, site.url(path)) for n, path in enumerate(paths)]})
    wanted = options(site, per_keyword=7, openverse=OpenverseOptions(base_url=site.address, page_size=5))
    report = await run(tmp_path / "out", wanted)
    assert report.images == 7
    searched = [path for path in site.asked() if path.startswith("/v1/images/")]
    assert [path.partition("&")[2] for path in searched] == ["page=1&page_size=5", "page=2&page_size=5"]
    assert sum(path.startswith("/many/") for path in site.asked()) == 7


@pytest.mark.parametrize(("page_count", "pages"), [(1000, 3), (None, 2)])
async def test_a_page_count_that_lies_ends_the_search_all_the_same(
    site: ImageSite, tmp_path: Path, page_count: int | None, pages: int
) -> None:
    """Where fewer pages come than were promised, the first empty one is the last."""
    paths = site.images("few", 8)
    found = {"snow": [result(n, site.url(path)) for n, path in enumerate(paths)]}
    site.answers["/v1/images/"] = openverse(found, page_count=page_count)
    report = await run(tmp_path / "out", options(site, openverse=OpenverseOptions(base_url=site.address, page_size=5)))
    assert report.images == 8
    assert sum(path.startswith("/v1/images/") for path in site.asked()) == pages


async def test_a_search_that_repeats_one_page_for_ever_ends(site: ImageSite, tmp_path: Path) -> None:
    """A page that brings nothing new is the last, whatever the number of pages."""
    body = {"result_count": 10**9, "page_count": 10**8, "results": [result(0, site.url("/good/0.jpg"))]}
    site.answers["/v1/images/"] = content(json.dumps(body).encode(), "application/json")
    assert (await run(tmp_path / "out", options(site))).images == 1
    assert sum(path.startswith("/v1/images/") for path in site.asked()) == 2


async def test_a_page_that_is_refused_after_the_first_is_the_end(site: ImageSite, tmp_path: Path) -> None:
    """The depth that one client may search to is not in the answers: past it there is simply no more."""
    body = {"result_count": 9, "page_count": 9, "results": [result(0, site.url("/good/0.jpg"))]}
    site.answers["/v1/images/"] = in_turn(content(json.dumps(body).encode()), status(401))
    report = await run(tmp_path / "out", options(site))
    assert (report.images, report.passing) == (1, 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"results": [', "search failed: the answer is not JSON"),
        (b"\xff\xfe", "search failed: the answer is not JSON"),
        (b"[" * 100_000, "search failed: the answer is not JSON"),
        (b"[]", "search failed: the answer lacks `results` or `page_count`"),
        (b'{"results": {}, "page_count": 1}', "search failed: the answer lacks `results` or `page_count`"),
        (b'{"results": []}', "search failed: the answer lacks `results` or `page_count`"),
        (b'{"results": [], "page_count": "many"}', "search failed: the answer lacks `results` or `page_count`"),
        (b'{"detail": "Throttled"}', "search failed: the answer lacks `results` or `page_count`"),
    ],
)
async def test_a_search_answered_with_nonsense_fails_for_its_keyword_alone(
    site: ImageSite, tmp_path: Path, body: bytes, reason: str
) -> None:
    """Broken JSON and JSON of another shape are told per keyword; other keywords get their images, and the same
    command later gets these."""
    good = openverse({"sea": [result(1, site.url("/good/1.jpg"))], "snow": [result(0, site.url("/good/0.jpg"))]})
    bad = content(body, "application/json")
    site.answers["/v1/images/"] = lambda request: (bad if request.query["q"] == "snow" else good)(request)
    both = options(site, keywords=("雪花", "大海"), queries={"雪花": ("snow",), "大海": ("sea",)})
    report = await run(tmp_path / "out", both)
    assert (refused(report), report.passing) == ({reason: 1}, 1)
    assert (report.keywords["雪花"].images, report.keywords["大海"].images) == (0, 1)
    site.answers["/v1/images/"] = good
    report = await run(tmp_path / "out", both)
    assert (report.images, report.passing) == (2, 0)


async def test_results_that_are_no_images_are_counted(site: ImageSite, tmp_path: Path) -> None:
    """Results without a URL, with another scheme, of a file type that is no photo, or that are no objects."""
    found = [
        result(0, site.url("/good/0.jpg")),
        result(1, "ftp://x.example/a.jpg"),
        result(2, site.url("/a.svg"), filetype="svg"),
        result(3, site.url("/good/1.jpg"), license=None),
        result(4, site.url("/good/2.jpg"), title=5),
        {"id": "x"},
        "nonsense",
        None,
    ]
    body = {"result_count": 8, "page_count": 1, "results": found}
    site.answers["/v1/images/"] = content(json.dumps(body).encode())
    report = await run(tmp_path / "out", options(site))
    assert report.images == 1
    [source] = report.sources
    assert source.refused == {
        "missing url": 3,
        "url is neither http nor https": 1,
        "not a photo by its file type": 1,
        "missing license": 1,
        "title is not text": 1,
    }


async def test_a_search_that_is_throttled_waits_as_it_is_asked(site: ImageSite, tmp_path: Path) -> None:
    """429 with Retry-After delays the search; asked to wait past our patience, all searches fail for now, at once."""
    search = openverse({word: [result(0, site.url("/good/0.jpg"))] for word in ("a", "b", "c")})
    site.answers["/v1/images/"] = in_turn(status(429, Retry_After="60"), search)
    clock = ManualClock()
    assert (await run(tmp_path / "wait", options(site, keywords=("a",)), clock)).images == 1
    assert clock.slept_s[0] == 60.0
    site.answers["/v1/images/"] = status(429, Retry_After="86400")
    site.requests.clear()
    slow = options(site, keywords=("a", "b", "c", "d", "e", "f"), web=web(politeness=Politeness(per_host=1)))
    with pytest.raises(DataError, match=r"429 Too Many Requests; it asks to wait 86400 s \(6\)"):
        await run(tmp_path / "day", slow)
    assert sum(site.asked().values()) <= 4  # the keywords that were under way together


@pytest.mark.parametrize(("host", "sees_it"), [("127.0.0.1", True), ("localhost", False)])
async def test_the_token_goes_to_the_search_and_nowhere_else(
    site: ImageSite, tmp_path: Path, host: str, sees_it: bool
) -> None:
    """The token is a bearer token in searches, and after a redirect on the same host; images, robots.txt and other
    hosts never see it, and no file holds it."""
    serve(site)
    site.answers["/moved/"] = site.answers["/v1/images/"]
    site.answers["/v1/images/"] = redirect(f"http://{host}:{site.server_address[1]}/moved/?q=snow")
    wanted = options(
        site,
        openverse=OpenverseOptions(base_url=site.address, token="s3cret", page_size=50),
        web=web(allow_private=frozenset({"127.0.0.1", "localhost"})),
    )
    assert (await run(tmp_path / "out", wanted)).images == GOOD
    told = {path.partition("?")[0] for path, headers in site.requests if "authorization" in headers}
    assert told == ({"/v1/images/", "/moved/"} if sees_it else {"/v1/images/"})
    assert {headers.get("authorization") for _, headers in site.requests} == {"Bearer s3cret", None}
    assert "s3cret" not in repr(wanted)
    assert not any(b"s3cret" in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


async def test_a_token_that_is_refused_ends_the_run(site: ImageSite, tmp_path: Path) -> None:
    """401 is told at once, with what to check."""
    site.answers["/v1/images/"] = status(401)
    with pytest.raises(DataError, match=r"refuses to be searched \(401 Unauthorized\): check the token"):
        await run(tmp_path / "out", options(site))


async def test_an_unreachable_search_is_told_with_its_host(tmp_path: Path) -> None:
    """Nobody listens: the sentence names the host; the folder is left so that the same command goes on."""
    with running_site() as site:
        site.images("good", 1)
        serve(site)
        gone = options(site)
    with pytest.raises(DataError, match=r"search failed: 127\.0\.0\.1 cannot be reached \(1\)"):
        await run(tmp_path / "out", gone)
    assert not (tmp_path / "out" / "collect.json").exists()


# What comes out.


async def test_copies_merge_their_keywords(site: ImageSite, tmp_path: Path) -> None:
    """The same URL, the same content and a re-encoded copy under other keywords become one image with all of them;
    each keyword still gets as many distinct images as it wants."""
    site.answers["/copy.jpg"] = content(picture(0))
    site.answers["/small.jpg"] = content(picture(0, side=120, quality=60))
    found = {
        "snow": ["/good/0.jpg", "/copy.jpg", "/small.jpg", "/good/1.jpg"],
        "winter": ["/good/0.jpg"],
        "ice": ["/small.jpg"],
        "white": ["/copy.jpg", "/good/2.jpg"],
    }
    site.answers["/v1/images/"] = openverse(
        {word: [result(n, site.url(path)) for n, path in enumerate(paths)] for word, paths in found.items()}
    )
    words = {"雪花": ("snow",), "冬天": ("winter",), "冰": ("ice",), "白": ("white",)}
    report = await run(tmp_path / "out", options(site, keywords=tuple(words), queries=words, per_keyword=2))
    kept = {row["url"]: row["keywords"] for row in rows(tmp_path / "out")}
    assert kept == {
        site.url("/good/0.jpg"): {"雪花": 1.0, "冬天": 1.0, "冰": 1.0, "白": 1.0},
        site.url("/good/1.jpg"): {"雪花": 1.0},
        site.url("/good/2.jpg"): {"白": 1.0},
    }
    assert (report.merged_same, report.merged_near) == (1, 1)
    assert all(count == 1 for path, count in site.asked().items() if path.endswith(".jpg"))


async def test_sources_fill_up_one_another(site: ImageSite, tmp_path: Path) -> None:
    """The second source is asked only for what the first lacks, and weights and licences of both are kept."""
    (tmp_path / "own.jpg").write_bytes(picture(70))
    (tmp_path / "own.csv").write_text("path,keywords,licence,source\nown.jpg,雪花:0.5|海,CC0,our album\n")
    serve(site)
    report = await run(tmp_path / "out", options(site, sources=(str(tmp_path / "own.csv"), "openverse"), per_keyword=3))
    own, *others = rows(tmp_path / "out")
    assert (own["keywords"], own["licence"], own["source"]) == ({"雪花": 0.5}, "CC0", "our album")
    assert [row["licence"] for row in others] == ["CC BY 4.0"] * 2
    assert report.licences == {"CC BY 4.0": 2, "CC0": 1}


async def test_only_the_licences_asked_for(site: ImageSite, tmp_path: Path) -> None:
    """The search is told the licences, and what does not have one of them is refused even where the search lies."""
    found = [
        result(0, site.url("/good/0.jpg"), license="by-nc"),
        result(1, site.url("/good/1.jpg"), license="cc0", license_url=""),
    ]
    body = {"result_count": 2, "page_count": 1, "results": found}
    site.answers["/v1/images/"] = content(json.dumps(body).encode())
    report = await run(tmp_path / "out", options(site, licences=frozenset({"cc0", "by"})))
    assert any("license=by%2Ccc0" in path for path in site.asked())
    assert refused(report) == {"licence not asked for": 1}
    assert site.asked()["/good/0.jpg"] == 0


async def test_keywords_without_translation_are_searched_as_they_are(site: ImageSite, tmp_path: Path) -> None:
    """They are named in the report; several queries of a keyword are searched one after the other."""
    site.answers["/v1/images/"] = openverse(
        {
            "大海": [result(0, site.url("/good/0.jpg"))],
            "snow": [result(1, site.url("/good/1.jpg"))],
            "snowflake": [result(2, site.url("/good/2.jpg")), result(1, site.url("/good/1.jpg"))],
        }
    )
    words = {"雪花": ("snow", "snowflake")}
    report = await run(tmp_path / "out", options(site, keywords=("雪花", "大海"), queries=words))
    assert report.untranslated == ("大海",)
    assert (report.keywords["雪花"].images, report.keywords["大海"].images) == (2, 1)


async def test_the_report_is_in_the_folder(site: ImageSite, tmp_path: Path) -> None:
    """collect.json says what was wanted, got and refused for each keyword; every refusal is a line of its own."""
    serve(site, site.url("/gone.jpg"))
    report = await run(tmp_path / "out", options(site, per_keyword=9))
    said = json.loads((tmp_path / "out" / "collect.json").read_text("utf-8"))
    assert said == report.to_dict()
    assert said["keywords"] == {"雪花": {"wanted": 9, "images": GOOD, "refused": {"404 Not Found": 1}}}
    [line] = (tmp_path / "out" / "collect.rejects.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "source": "keyword 雪花",
        "line": None,
        "reason": "404 Not Found",
        "row": {"place": site.url("/gone.jpg"), "source": "photos"},
    }


async def test_the_catalogue_can_be_read(site: ImageSite, tmp_path: Path) -> None:
    """`read_images`, which a model is built with, takes every row."""
    serve(site)
    await run(tmp_path / "out", options(site))
    with RejectLog() as log:
        images = list(read_images(tmp_path / "out" / "images.jsonl", log))
    assert len(images) == GOOD
    assert all(dict(image.keywords) == {"雪花": 1.0} and image.licence and image.attribution for image in images)
    for image in images:
        Image.open(io.BytesIO(image.path.read_bytes())).verify()


async def test_a_dry_run_fetches_no_image(site: ImageSite) -> None:
    """Only the search is asked; the candidates come in its order."""
    serve(site)
    found = await preview(options(site, per_keyword=3), clock=ManualClock())
    assert [candidate.title for candidate in found["雪花"]] == ["Photo 0", "Photo 1", "Photo 2"]
    assert all(path.startswith("/v1/images/") for path in site.asked())


# What cannot be collected.


async def test_a_folder_that_holds_something_else_is_left_alone(site: ImageSite, tmp_path: Path) -> None:
    """A folder with other files, and a file, are refused with a sentence and stay as they are."""
    serve(site)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt"):
        with pytest.raises(DataError, match="holds something else than a collected catalogue"):
            await run(folder, options(site))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


async def test_no_keyword(site: ImageSite, tmp_path: Path) -> None:
    """Without a keyword there is nothing to search for, and it is said."""
    with pytest.raises(DataError, match="There is no keyword"):
        await run(tmp_path / "out", options(site, keywords=()))


async def test_keywords_of_a_list_are_its_own(site: ImageSite, tmp_path: Path) -> None:
    """A manifest says which keywords it has, so that none need be given."""
    (tmp_path / "list.jsonl").write_text(
        "\n".join(
            json.dumps({"url": site.url(f"/good/{number}.jpg"), "keywords": [word]})
            for number, word in enumerate(["雪花", "大海"])
        )
    )
    report = await run(tmp_path / "out", options(site, keywords=(), sources=(str(tmp_path / "list.jsonl"),)))
    assert {keyword: about.images for keyword, about in report.keywords.items()} == {"雪花": 1, "大海": 1}


async def test_a_full_disk_is_a_sentence_and_loses_nothing(
    site: ImageSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room in the middle of a run: the error says so, nothing half is under a final name, and the run goes on."""
    serve(site)
    path_replace = Path.replace
    placed: list[Path] = []

    def full(self: Path, target: Path) -> Path:
        if len(placed) == 2:
            raise OSError(28, "No space left on device")
        placed.append(target)
        return path_replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    one_by_one = web(politeness=Politeness(per_host=1, connections=1, interval_s=0.0))
    with pytest.raises(DataError, match=r"cannot be written: No space left on device\. Nothing is lost"):
        await run(tmp_path / "out", options(site, web=one_by_one))
    monkeypatch.undo()
    assert not (tmp_path / "out" / "images.jsonl").exists()
    report = await run(tmp_path / "out", options(site))
    assert report.images == GOOD
    assert sum(site.asked()[f"/good/{number}.jpg"] == 1 for number in range(GOOD)) >= 2


async def test_other_options_go_on_from_what_is_there(site: ImageSite, tmp_path: Path) -> None:
    """More images per keyword fetch only the new ones; a stricter check needs no request at all."""
    serve(site)
    await run(tmp_path / "out", options(site, per_keyword=2))
    assert (await run(tmp_path / "out", options(site, per_keyword=4))).images == 4
    assert all(site.asked()[f"/good/{number}.jpg"] == 1 for number in range(GOOD))
    strict = replace(options(site).checks, min_side=161)
    with pytest.raises(DataError, match=r"short side under 161 pixels \(4\)"):
        await run(tmp_path / "out", options(site, checks=strict))
    assert all(site.asked()[f"/good/{number}.jpg"] == 1 for number in range(GOOD))
    assert (await run(tmp_path / "out", options(site, per_keyword=1))).images == 1
    assert len(list((tmp_path / "out" / "images").iterdir())) == 1
