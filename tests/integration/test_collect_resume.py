"""A collection that was killed goes on where it stopped, and comes to the same catalogue as one that was not."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import collect_process
import pytest
from image_site import ImageSite, Request, content, openverse, picture, result, running_site

KEYWORDS, EACH = 3, 6


def serve(site: ImageSite) -> list[str]:
    """Three keywords of six images; one image is shared by two, one is a near duplicate, one is missing."""
    found = {}
    for number in range(KEYWORDS):
        paths = site.images(f"word{number}", EACH + 3, first_seed=100 * number)
        found[f"word{number}"] = [result(100 * number + n, site.url(path)) for n, path in enumerate(paths)]
    site.answers["/word0/2.jpg"] = content(picture(0, side=120, quality=60))
    del site.answers["/word1/1.jpg"]
    found["word2"].insert(1, found["word0"][0])
    site.answers["/v1/images/"] = openverse(found)
    return list(found)


def collect(site: ImageSite, out: Path, keywords: list[str]) -> None:
    """Run to the end, in this process."""
    collect_process.run(site.address, out, EACH, keywords)


def catalogue(folder: Path) -> dict[str, bytes]:
    """Every file that a user sees, by name."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".collect" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def journaled(out: Path) -> int:
    journal = out / ".collect" / "journal.jsonl"
    return journal.read_bytes().count(b'"event": "image"') if journal.exists() else 0


def hold_after(site: ImageSite, count: int) -> list[str]:
    """Let every image request after the first `count` wait until the site ends; return the paths that do."""
    held: list[str] = []
    served = 0
    answers = dict(site.answers)

    def holding(path: str) -> Callable[[Request], None]:
        def answer(request: Request) -> None:
            nonlocal served
            served += 1
            if served > count:
                held.append(path)
                site.ended.wait()
            answers[path](request)

        return answer

    for path in answers:
        if path.endswith(".jpg"):
            site.answers[path] = holding(path)
    return held


@pytest.mark.parametrize(("count", "ending"), [(4, signal.SIGKILL), (9, signal.SIGINT)])
def test_what_was_ended_goes_on(tmp_path: Path, count: int, ending: signal.Signals) -> None:
    """Killed after 4 images or interrupted after 9, the same command comes to the same catalogue, byte for byte, as an
    undisturbed run, and asks for no image again that it had."""
    with running_site() as site:
        keywords = serve(site)
        collect(site, tmp_path / "whole", keywords)
        undisturbed = catalogue(tmp_path / "whole")
        first = site.asked()
        whole = [picture(0, side=120, quality=60), *map(picture, range(100 * KEYWORDS))]

        site.requests.clear()
        held = hold_after(site, count)
        running = collect_process.start(site.address, tmp_path / "ended", EACH, keywords)
        deadline = time.monotonic() + 60
        # Both requests that the host gets at once hang, and all that came before is in the journal.
        while len(held) < 2 or journaled(tmp_path / "ended") < count:
            assert time.monotonic() < deadline, "the run did not get so far"
            assert running.poll() is None, "the run ended by itself"
            time.sleep(0.02)
        os.kill(running.pid, ending)
        running.wait(60)
        before = site.asked()
        assert not (tmp_path / "ended" / "collect.json").exists()
        fetched = list((tmp_path / "ended" / ".collect" / "fetched").iterdir())
        assert len(fetched) >= count
        assert all(path.read_bytes() in whole for path in fetched)

        serve(site)
        site.requests.clear()
        collect(site, tmp_path / "ended", keywords)
        assert catalogue(tmp_path / "ended") == undisturbed
        again = site.asked()
        hanging = Counter(held)
        for path in first:
            if path.endswith(".jpg"):
                assert before[path] + again[path] == 1 + hanging[path], path


def test_a_finished_collection_asks_for_nothing(tmp_path: Path) -> None:
    """The same command once more makes no request at all and leaves the same catalogue."""
    with running_site() as site:
        keywords = serve(site)
        collect(site, tmp_path / "out", keywords)
        before = catalogue(tmp_path / "out")
        site.requests.clear()
        collect(site, tmp_path / "out", keywords)
        assert catalogue(tmp_path / "out") == before
        assert not site.asked()


def test_a_file_that_was_damaged_is_fetched_again(tmp_path: Path) -> None:
    """What the journal promises and the disk does not hold is fetched again, and only that."""
    with running_site() as site:
        keywords = serve(site)
        collect(site, tmp_path / "out", keywords)
        before = catalogue(tmp_path / "out")
        file = sorted((tmp_path / "out" / "images").iterdir())[0]
        kept = tmp_path / "out" / ".collect" / "fetched" / file.name
        kept.unlink()
        file.unlink()
        site.requests.clear()
        collect(site, tmp_path / "out", keywords)
        assert catalogue(tmp_path / "out") == before
        assert sum(path.endswith(".jpg") for path in site.asked()) == 1
